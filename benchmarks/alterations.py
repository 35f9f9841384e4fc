"""A reference file altered in known ways, and what a comparison must find in it, no more and no less."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

Record = dict[str, Any]
PROMPT = re.compile(r"\nAnswer (the question using a single word or phrase|with the option's letter .*)\.\Z")
_TOKEN = "<image>\n"
_FURTHER = 5.5
"""By how many places a record is moved."""


class Altered(NamedTuple):
    """The lines of the altered file, its records with faults, and by source how many records it has of each change."""

    lines: list[bytes]
    faults: int
    expected: dict[str, Counter[str]]


def altered(lines: Sequence[bytes], counts: dict[str, int], *, each: int) -> Altered:
    """Alter up to `each` records of every source in every way; a record of its own for each, spread over the source.

    `lines` are the records as `mix export` writes them, `counts` the number of each source in their order. Records that
    share id and image are altered once, so that nobody can mistake one for another.
    """
    placed: list[tuple[float, bytes]] = []
    expected: dict[str, Counter[str]] = {}
    faults = begin = 0
    for source, count in counts.items():
        own = lines[begin : begin + count]
        changes = _changes(source, own, each)
        for i, line in enumerate(own):
            name, records = changes.get(i, ("", [msgspec.Raw(line)]))
            further = _FURTHER if name == "moved" else 0
            placed += [(begin + i + further, msgspec.json.encode(record)) for record in records]
            faults += name == "fault"
        expected[source] = _expected(source, Counter(name for name, _ in changes.values()))
        begin += count
    untold = expected["vqav2"].pop("untold", 0) + expected["okvqa"].pop("untold", 0)
    expected["vqav2 or okvqa"] = Counter({"only in B": untold} if untold else {})
    return Altered([line for _, line in sorted(placed, key=lambda one: one[0])], faults, expected)


def _changes(source: str, lines: Sequence[bytes], each: int) -> dict[int, tuple[str, list[Record]]]:
    """What becomes of some records, by their place: the name of the change, and the records in place of it."""
    changes: dict[int, tuple[str, list[Record]]] = {}
    used: set[tuple[str, str | None]] = set()
    places = _spread(len(lines))
    waiting = Counter(dict.fromkeys(CHANGES, each))
    for place in places:
        record = msgspec.json.decode(lines[place])
        key = (str(record["id"]), record.get("image"))
        if key in used:
            continue
        for name in sorted(waiting, key=lambda name: -waiting[name]):
            found = CHANGES[name](msgspec.json.decode(lines[place]), f"{source}-{place}")
            if found is not None:
                changes[place] = (name, found)
                used.add(key)
                waiting[name] -= 1
                break
        waiting = +waiting
        if not waiting:
            break
    return changes


def _spread(count: int) -> Iterator[int]:
    """All places, each once, neighbours far from each other."""
    step = next(step for step in (7919, 7907, 7901) if count % step) if count > 1 else 1
    return (i * step % count for i in range(count))


def _expected(source: str, counts: Counter[str]) -> Counter[str]:
    """What a report says of so many changes."""
    found = Counter({name: count for name, count in counts.items() if name in REPORTED})
    found["only in A"] = counts["removed"] + counts["fault"]
    found["only in B"] = counts["repeated"] + counts["added"]
    if source in ("vqav2", "okvqa"):
        found["untold"] = counts["new"]
    else:
        found["only in B"] += counts["new"]
    return +found


def _answer(record: Record, _: str) -> list[Record]:
    record["conversations"][-1]["value"] += " (altered)"
    return [record]


def _question(record: Record, _: str) -> list[Record]:
    turn = record["conversations"][-2]
    asked, behind = turn["value"], ""
    if end := PROMPT.search(asked) or re.search(r"\n<image>\Z", asked):
        asked, behind = asked[: end.start()], asked[end.start() :]
    turn["value"] = f"{asked} altered{behind}"
    return [record]


def _prompt(record: Record, _: str) -> list[Record] | None:
    turn = record["conversations"][0]
    if not PROMPT.search(turn["value"]):
        return None
    turn["value"] = PROMPT.sub("\nBe brief.", turn["value"])
    return [record]


def _no_prompt_and_answer(record: Record, name: str) -> list[Record] | None:
    turn = record["conversations"][0]
    if not PROMPT.search(turn["value"]):
        return None
    turn["value"] = PROMPT.sub("", turn["value"])
    return _answer(record, name)


def _order(record: Record, _: str) -> list[Record] | None:
    turns = record["conversations"]
    if len(turns) < 6 or turns[2:4] == turns[4:6]:
        return None
    turns[2:6] = [*turns[4:6], *turns[2:4]]
    return [record]


def _fewer(record: Record, _: str) -> list[Record] | None:
    if len(record["conversations"]) < 4:
        return None
    del record["conversations"][-2:]
    return [record]


def _id(record: Record, name: str) -> list[Record]:
    return [record | {"id": f"altered-{name}"}]


def _id_type(record: Record, _: str) -> list[Record] | None:
    if isinstance(record["id"], int):
        return [record | {"id": str(record["id"])}]
    return [record | {"id": int(record["id"])}] if re.fullmatch("[1-9][0-9]{0,17}", record["id"]) else None


def _image(record: Record, name: str) -> list[Record] | None:
    if "image" not in record:
        return None
    return [record | {"image": f"{record['image'].rpartition('/')[0]}/altered-{name}.jpg"}]


def _token(record: Record, _: str) -> list[Record] | None:
    turn = record["conversations"][0]
    if not turn["value"].startswith(_TOKEN):
        return None
    turn["value"] = f"{turn['value'].removeprefix(_TOKEN)}\n<image>"
    return [record]


def _added(record: Record, name: str) -> list[Record]:
    """The record, and another one that asks the same about another image."""
    if "image" not in record:
        return [record, *_new(record, name)[1:]]
    other = (_image(record, name) or [])[0] | {"id": f"added-{name}"}
    turns = [dict(turn) for turn in other["conversations"]]
    turns[-1]["value"] += f" (added {name})"
    return [record, other | {"conversations": turns}]


def _new(record: Record, name: str) -> list[Record]:
    """The record, and another one of which nothing is known but its image folder and prompt."""
    other = msgspec.json.decode(msgspec.json.encode(record))
    other["id"] = f"new-{name}"
    if "image" in record:
        other["image"] = f"{record['image'].rpartition('/')[0]}/new-{name}.jpg"
    del other["conversations"][2:]
    first, answer = other["conversations"]
    prompt = PROMPT.search(first["value"])
    token = _TOKEN if "image" in record else ""
    region = "Please provide a short description for this region: [0.1, 0.2, 0.3, 0.4]."
    asked = region if "for this region" in str(record) or "this sentence describes" in str(record) else f"New {name}?"
    first["value"] = f"{token}{asked}{prompt.group() if prompt else ''}"
    answer["value"] = f"New answer {name}."
    return [record, other]


def _removed(_: Record, __: str) -> list[Record]:
    return []


def _repeated(record: Record, _: str) -> list[Record]:
    return [record, record]


def _moved(record: Record, _: str) -> list[Record]:
    return [record]


def _fault(record: Record, _: str) -> list[Record]:
    record["conversations"][-1]["value"] = " "
    return [record]


CHANGES: dict[str, Callable[[Record, str], list[Record] | None]] = {
    "reordered": _order,
    "differing in number of pairs": _fewer,
    "differing in prompt": _prompt,
    "differing in prompt, answers": _no_prompt_and_answer,
    "differing in id type": _id_type,
    "differing in image token": _token,
    "differing in image": _image,
    "differing in id": _id,
    "differing in questions": _question,
    "differing in answers": _answer,
    "removed": _removed,
    "repeated": _repeated,
    "added": _added,
    "new": _new,
    "fault": _fault,
    "moved": _moved,
}
"""Ways to alter a record; None where a record cannot be altered so. The rarest come first."""
REPORTED = [name for name in CHANGES if name.startswith("differing") or name in ("reordered", "moved")]


def found_by(report: dict[str, Any]) -> dict[str, Counter[str]]:
    """What the JSON of a comparison says of each source, in the words of `Altered.expected`."""
    return {
        one["name"]: +Counter(
            {"reordered": one["reordered"], "moved": one["moved"]}
            | {f"differing in {fields}": count for fields, count in one["differing_in"].items()}
            | {"only in A": one["only_in_a"], "only in B": one["only_in_b"]}
        )
        for one in report["sources"]
    }
