"""Mutations of JSON by its structure: a value, key, record or header is changed in the parsed file."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.registry import RawFile
from mix665k.schemas.conversation import is_blank
from mix665k.schemas.image_names import name_fault

Path = tuple[str | int, ...]


_UNKNOWN = RawFile(role="any", path="any.json", form=dict)


class Mutation(NamedTuple):
    """A changed file. `marked`: to accept other rows from it without a word is a fault; `always`: the same rows too."""

    what: str
    content: bytes
    marked: bool
    always: bool = False


RAW = {
    "deep": "[" * 3_000 + "]" * 3_000,
    "deep objects": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "5,000 digits": "9" * 5_000,
    "400 digits": "9" * 400,
    "1e400": "1e400",
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "half a pair": '"a \\ud83d b"',
    "-0.0": "-0.0",
}
"""What Python's `json.dumps` does not write, by name."""
_BLANK: tuple[Any, ...] = ("", "  ", "\n", "\u200b", "\ufeff\u200b", "\u3164", "\0")
_PLAIN: tuple[Any, ...] = (
    None, True, 0, -1, 1, 7, 2**53 + 1, 2**63, 2**70, -(2**70), 0.5, 1e308, [], {}, [[]], [None], {"a": {"b": []}},
    "0", "x", "abc\n", "\x1b]0;x\x07", "<image>", "<image>\n<image>", "[0.1, 0.2, 1.5, 0.4]", "long " * 60_000,
    "\u202e", "../../x.jpg", "/etc/passwd", "a" * 400, "C:\\x.jpg", "data:image/png;base64,AAAA",
    "https://a.invalid/x.jpg",
)  # fmt: skip
TEXTS = {
    "question",
    "answer",
    "multiple_choice_answer",
    "caption_str",
    "phrase",
    "sent",
    "value",
    "questions",
    "answers",
}
"""Fields that become a question or an answer."""
IMAGES = {"image", "imageId"}
"""Fields that become a path below the images folder."""
_HEADERS = {"data_type": "abstract_v002", "data_subtype": "val2014", "dataset_type": "val", "split": "val"}
"""Fields by which a file says what it holds, with what another file of the publisher says there."""


def mutate_json(rng: Random, content: bytes, files: list[RawFile]) -> Mutation:
    """One structural mutation of a JSON file that holds the records of `files`."""
    while True:
        document = json.loads(content)
        file = rng.choice(files)
        before = {at: msgspec.json.encode(one) for at, one in records(document, file)}
        change = rng.choice(_CHANGES)
        found = change(rng, document, file)
        if found is None:
            continue
        what, path, marked, always = found
        changed = dumped(document)
        unfit = any(_no_longer_fits(document, one, path) for one in files)
        broken_list = path and len(path) <= 1 and not any(True for _ in records(document, file)) and bool(before)
        return Mutation(f"{file.role}: {what}", changed, marked or unfit or bool(broken_list), always)


def change_json(rng: Random, content: bytes) -> Mutation:
    """The same for any JSON file, of which nothing is known."""
    while True:
        document = json.loads(content)
        change = rng.choice((_delete, _replace, _replace, _replace, _swap, _rename))
        if found := change(rng, document, _UNKNOWN):
            return Mutation(found[0], dumped(document), marked=False)


def dumped(document: Any) -> bytes:
    """The document as JSON, with what `RAW` names put in."""
    text = json.dumps(document, ensure_ascii=False)
    for name, raw in RAW.items():
        text = text.replace(f'"@@{name}@@"', raw)
    return text.encode("utf-8", errors="surrogatepass")


def records(document: Any, file: RawFile) -> Iterator[tuple[Path, Any]]:
    """The records of a parsed file with their places; none where their list is no list any more."""
    start: Path = ()
    held = document
    if file.at not in ("[]", "{}", "pickle"):
        held, start = document.get(file.at) if isinstance(document, dict) else None, (file.at,)
    if file.at == "{}" and isinstance(held, dict):
        yield from (((key,), record) for key, record in held.items())
    elif file.at != "{}" and isinstance(held, list):
        yield from (((*start, key), record) for key, record in enumerate(held))


def fits(record: Any, file: RawFile) -> bool:
    """Whether a record is of the form that its file declares."""
    try:
        msgspec.json.decode(dumped(record), type=file.form)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True


def _no_longer_fits(document: Any, file: RawFile, path: Path) -> bool:
    """Whether the record that holds a changed place is not of its form now; all fitted before."""
    return any(path[: len(at)] == at and not fits(record, file) for at, record in records(document, file))


_Change = tuple[str, Path, bool, bool]


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Any, str | int, Path]]:
    """Every place below a value: its parent, its key and its path."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield value, key, (*path, key)
        yield from _places(one, (*path, key))


def _place(rng: Random, document: Any, keys: set[str] | None = None) -> tuple[Any, Any, Path] | None:
    """A place anywhere, or one whose nearest field is among `keys`."""
    found = [one for one in _places(document) if keys is None or field(one[2]) in keys]
    return rng.choice(found) if found else None


def field(path: Path) -> str:
    """The nearest name on the way to a place."""
    return next((key for key in reversed(path) if isinstance(key, str)), "")


def named(path: Path) -> str:
    """A place in words."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key[:30]}" for key in path)


def _delete(rng: Random, document: Any, file: RawFile) -> _Change | None:
    if (place := _place(rng, document)) is None:
        return None
    parent, key, path = place
    del parent[key]
    return f"delete {named(path)}", path, False, False


def _replace(rng: Random, document: Any, file: RawFile) -> _Change | None:
    if (place := _place(rng, document)) is None:
        return None
    parent, key, path = place
    value = rng.choice((*_PLAIN, *_BLANK, *(f"@@{name}@@" for name in RAW)))
    same = parent[key] == value
    parent[key] = value
    hides = isinstance(value, str) and not value.startswith("@@") and _is_wrong(field(path), value)
    return f"{named(path)} = {str(value)[:30]!r}", path, hides and not same, False


def _is_wrong(name: str, value: str) -> bool:
    return (name in TEXTS and is_blank(value)) or (name in IMAGES and name_fault(f"x/{value}") is not None)


def _blank(rng: Random, document: Any, file: RawFile) -> _Change | None:
    texts = [one for one in _places(document) if field(one[2]) in TEXTS and isinstance(one[0][one[1]], str)]
    if not texts:
        return None
    parent, key, path = rng.choice(texts)
    was_blank = is_blank(parent[key])
    parent[key] = rng.choice(_BLANK)
    return f"blank {named(path)}: {parent[key]!r}", path, not was_blank, False


def _outside(rng: Random, document: Any, file: RawFile) -> _Change | None:
    if (place := _place(rng, document, IMAGES)) is None:
        return None
    parent, key, path = place
    parent[key] = rng.choice(("../../secret.jpg", "../../../etc/passwd", "a/../../b.jpg", "\0.jpg", "a\nb.jpg"))
    return f"{named(path)} leads out: {parent[key]!r}", path, True, False


def _header(rng: Random, document: Any, file: RawFile) -> _Change | None:
    if (place := _place(rng, document, set(_HEADERS))) is None:
        return None
    parent, key, path = place
    if not isinstance(parent[key], str):
        return None
    parent[key] = _HEADERS[str(key)]
    return f"{named(path)} = {parent[key]!r}", path, True, len(path) == 1


def _repeat(rng: Random, document: Any, file: RawFile) -> _Change | None:
    found = list(records(document, file))
    if not found or file.at == "{}":
        return None
    path, record = rng.choice(found)
    held = document if len(path) == 1 else document[path[0]]
    held.insert(rng.randint(0, len(held)), record)
    return f"repeat {named(path)}", path, bool(file.id_name), False


def _swap(rng: Random, document: Any, file: RawFile) -> _Change | None:
    one, other = _place(rng, document), _place(rng, document)
    if one is None or other is None or one[2][: len(other[2])] == other[2] or other[2][: len(one[2])] == one[2]:
        return None
    (parent, key, path), (second, at, _) = one, other
    parent[key], second[at] = second[at], parent[key]
    return f"swap {named(path)} and {named(other[2])}", path, False, False


def _add(rng: Random, document: Any, file: RawFile) -> _Change | None:
    found = [(record, path) for path, record in records(document, file) if isinstance(record, dict)]
    if not found:
        return None
    record, path = rng.choice(found)
    name = rng.choice(("system", "video", "weight", "images", "note", "", "a\nb"))
    record[name] = rng.choice(_PLAIN)
    return f"add {named(path)}.{name!r}", path, False, False


def _rename(rng: Random, document: Any, file: RawFile) -> _Change | None:
    found = [one for one in _places(document) if isinstance(one[0], dict)]
    if not found:
        return None
    parent, key, path = rng.choice(found)
    new = rng.choice((str(key).upper(), f"{key}s", str(key)[::-1], "", "id", "../x"))
    parent[new] = parent.pop(key)
    return f"rename {named(path)} to {new!r}", path, False, False


def _whole(rng: Random, document: Any, file: RawFile) -> _Change | None:
    held = document if file.at in ("[]", "{}", "pickle") else document[file.at]
    held.clear()
    return "no records", (), True, True


_CHANGES: tuple[Callable[[Random, Any, RawFile], _Change | None], ...] = (
    *(_delete, _delete, _replace, _replace, _replace, _replace, _blank, _blank, _outside, _header, _repeat),
    *(_swap, _add, _rename, _whole),
)
"""What is drawn from; those that stand there several times are drawn more often."""
