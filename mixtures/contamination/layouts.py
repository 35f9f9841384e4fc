"""The layouts that evaluation sets are published in, told from a file's content.

vqav2      VQAv2's and OK-VQA's question files (visualqa.org/download.html, okvqa.allenai.org)
textvqa    TextVQA_0.5.1_val.json (textvqa.org/dataset)
gqa        GQA's questions, keyed by id (cs.stanford.edu/people/dorarad/gqa/download.html)
scienceqa  problems.json, keyed by id (github.com/lupantech/ScienceQA, data/scienceqa)
refcoco    refs(unc).p, refs(umd).p (github.com/lichengunc/refer)
aokvqa     A-OKVQA's list (github.com/allenai/aokvqa)
pope       coco_pope_*.json, JSON lines (github.com/AoiDragon/POPE, output/coco)
llava      records with conversations, as LLaVA's `llava_test_CQM-A.json`
questions  JSON lines such as LLaVA's `llava_*_test.jsonl`; with it the eval.zip of LLaVA's docs/Evaluation.md has all
           twelve sets of the paper but MMBench, whose TSV is a `list`
list       any CSV, TSV, JSON lines or JSON list with an image or a question in each row
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.llava_records import LlavaRecord
from mix665k.builders.raw import map_file
from mix665k.builders.sources.refcoco import Ref
from mix665k.mixtures.contamination.identity import Collection
from mix665k.schemas.errors import RawDataError

_HEAD_BYTES = 1 << 20
_MAX_NAME = 1_000
"""Characters: what is longer names no image, but holds one (MMBench's TSV has pictures in base64)."""


class Item(NamedTuple):
    """One thing an evaluation set asks: its id, the image's id or name, and the text; either may be missing."""

    id: str
    image: str | None
    text: str | None


class _Vqa(msgspec.Struct, gc=False):
    question_id: int | str
    image_id: int | str
    question: str


class _Gqa(msgspec.Struct, gc=False):
    imageId: str  # noqa: N815, the publisher's name
    question: str


class _Problem(msgspec.Struct, gc=False):
    question: str
    split: str
    image: str | None = None


class _Asked(msgspec.Struct, gc=False):
    question_id: int | str
    text: str
    image: str | None = None


class Listed(msgspec.Struct, gc=False):
    """A row of a list; the first of `image`, `file_name` and `image_id` that is there names the image."""

    image: str | None = None
    file_name: str | None = None
    image_id: int | str | None = None
    question: str | None = None
    text: str | None = None
    question_id: int | str | None = None
    id: int | str | None = None


LISTED = tuple(field.name for field in msgspec.structs.fields(Listed))
"""The columns or keys of a list that are read."""


def _vqa(identifier: str, record: _Vqa) -> Iterator[Item]:
    yield Item(identifier, str(record.image_id), record.question)


def _gqa(identifier: str, record: _Gqa) -> Iterator[Item]:
    yield Item(identifier, record.imageId, record.question)


def _problem(identifier: str, record: _Problem) -> Iterator[Item]:
    image = record.image and f"{record.split}/{identifier}/{record.image}"
    yield Item(identifier, image or None, record.question)


def _ref(_: str, record: Ref) -> Iterator[Item]:
    for said in record.sentences:
        yield Item(str(said.sent_id), str(record.image_id), said.sent)


def _asked(_: str, record: _Asked) -> Iterator[Item]:
    yield Item(str(record.question_id), record.image or None, record.text)


def _conversation(_: str, record: LlavaRecord) -> Iterator[Item]:
    for k, turn in enumerate(turn for turn in record.conversations if turn.role == "human"):
        yield Item(f"{record.id}#{k}", record.image or None, turn.value)


def _listed(where: str, record: Listed) -> Iterator[Item]:
    names = (record.image, record.file_name, record.image_id)
    image = next((str(name) for name in names if name not in (None, "") and len(str(name)) <= _MAX_NAME), None)
    text = record.question or record.text
    if image is None and text is None and not any(names):
        raise ValueError("neither an image nor a question, expected one of them")
    identifier = record.id if record.question_id is None else record.question_id
    yield Item(where if identifier is None else str(identifier), image, text)


class Layout(NamedTuple):
    """How the records of an evaluation set stand in its file, and what they ask.

    `at` is that of a `RawFile`, or `list` for JSON lists, JSON lines and tables alike. A record that has all `keys`
    tells the layout. `id` is the field that tells records apart (None: ids may repeat). Image ids that are bare
    numbers belong to `collection`. With `splits`, records of the split `train` are no part of the evaluation set.
    """

    name: str
    at: str
    form: type
    keys: frozenset[str]
    items: Callable[[str, Any], Iterator[Item]]
    id: str | None = None
    collection: Collection | None = None
    splits: bool = False


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("vqav2", "questions", _Vqa, frozenset({"image_id", "question"}), _vqa, "question_id", "coco"),
        Layout("textvqa", "data", _Vqa, frozenset({"image_id", "question"}), _vqa, "question_id", "openimages"),
        Layout("gqa", "{}", _Gqa, frozenset({"imageId", "question"}), _gqa, "question id", "vg"),
        Layout("scienceqa", "{}", _Problem, frozenset({"question", "choices", "split"}), _problem, "key", splits=True),
        Layout("refcoco", "pickle", Ref, frozenset({"ref_id"}), _ref, "ref_id", "coco", splits=True),
        Layout("aokvqa", "list", _Vqa, frozenset({"image_id", "choices"}), _vqa, "question_id", "coco"),
        Layout("pope", "list", _Asked, frozenset({"question_id", "image", "text", "label"}), _asked),
        Layout("llava", "list", LlavaRecord, frozenset({"conversations"}), _conversation),
        Layout("questions", "list", _Asked, frozenset({"question_id", "text"}), _asked),
        Layout("list", "list", Listed, frozenset(), _listed),
    )
}


class Told(NamedTuple):
    """A file's layout, and where its records are: that of a `RawFile`, or `table` with its separator."""

    layout: Layout
    at: str
    separator: str = ""


def tell(path: Path, layout: Layout | None = None) -> Told:
    """The layout of a file, told from its content unless it is named.

    Raises:
        RawDataError: when the file is missing or of no known layout.
    """
    data = map_file(path)
    head = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if layout is not None and layout.at != "list":
        return Told(layout, layout.at)
    if head[:1] == b"\x80" or head[:2] == b"(l":
        return Told(LAYOUTS["refcoco"], "pickle")
    if head[:1] == b"[":
        return _told(path, "[]", _first(path, data, list[msgspec.Raw]), layout)
    if head[:1] != b"{":
        return _told_table(path, head, layout)
    end = data.find(b"\n") + 1 or len(data)
    line = _keys(data[:end])
    if line and (data[end : end + _HEAD_BYTES].strip() or _match("list", line)):
        return _told(path, "lines", line, layout)
    if layout is not None:
        raise RawDataError(
            f"{path}: one JSON object, expected the records of layout {layout.name} in a list or on lines"
        )
    return _told_object(path, data)


def _told_object(path: Path, data: Any) -> Told:
    """The layout of a file that is one JSON object."""
    fields = _decoded(path, data, dict[str, msgspec.Raw])
    for at in ("questions", "data"):
        if bytes(memoryview(fields.get(at, b""))[:1]) == b"[":
            return _told(path, at, _first(path, fields[at], list[msgspec.Raw]))
    return _told(path, "{}", _keys(next(iter(fields.values()), b"")))


def _told_table(path: Path, head: bytes, layout: Layout | None) -> Told:
    """A CSV or TSV, if its header has a column of a list."""
    header = head.split(b"\n", 1)[0].decode("utf-8", errors="replace").strip()
    separator = "\t" if "\t" in header else ","
    columns = [column.strip('" \r') for column in header.split(separator)]
    if not set(columns) & (set(LISTED) - {"id", "question_id"}):
        raise _unknown(path, f"no JSON, no pickle, no table whose header has {', '.join(LISTED[:5])}")
    return Told(layout or LAYOUTS["list"], "table", separator)


def _told(path: Path, at: str, keys: set[str], layout: Layout | None = None) -> Told:
    found = layout or _match(at if at not in ("[]", "lines") else "list", keys)
    if found is None:
        raise _unknown(path, f"its first record has {', '.join(sorted(keys)[:8])}" if keys else "no record in it")
    return Told(found, at)


def _match(at: str, keys: set[str]) -> Layout | None:
    """The first layout of this place whose keys are all there; a list needs an image or a question."""
    if at == "list" and not keys & (set(LISTED) | {"conversations"}) - {"id", "question_id"}:
        return None
    return next((layout for layout in LAYOUTS.values() if layout.at == at and layout.keys <= keys), None)


def _first(path: Path, data: Any, kind: Any) -> set[str]:
    records = _decoded(path, data, kind)
    return _keys(records[0]) if records else set()


def _decoded(path: Path, data: Any, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RawDataError(f"{path}: not a complete JSON file: {str(error).lower()}; get it again") from None


def _keys(record: Any) -> set[str]:
    """The keys of a JSON object; none when it is no object, or not whole."""
    try:
        return set(msgspec.json.decode(record, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return set()


def _unknown(path: Path, seen: str) -> RawDataError:
    known = ", ".join(LAYOUTS)
    return RawDataError(f"{path}: of no known layout ({seen}), expected one of {known}; name it with --layout")
