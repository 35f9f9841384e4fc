"""The layouts that evaluation sets are published in, told from a file's content.

The sources declare those of their data sets: vqav2, gqa, refcoco, aokvqa and textvqa. The others are:

scienceqa  problems.json, keyed by id (github.com/lupantech/ScienceQA, data/scienceqa)
pope       coco_pope_*.json, JSON lines (github.com/AoiDragon/POPE, output/coco)
llava      records with conversations, as LLaVA's `llava_test_CQM-A.json`
questions  JSON lines such as LLaVA's `llava_*_test.jsonl`; with it the eval.zip of LLaVA's docs/Evaluation.md has all
           twelve sets of the paper but MMBench, whose TSV is a `list`
list       any CSV, TSV, JSON lines or JSON list with an image or a question in each row
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.decode import map_file
from mix665k.builders.evaluation import EvaluationLayout, Item
from mix665k.builders.json_text import BOM, container, split_records, without_numbers_that_are_none
from mix665k.builders.registry import SOURCES
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.files import UNREADABLE, fault

_HEAD_BYTES = 1 << 20
_MAX_NAME = 1_000
"""Characters: what is longer names no image, but holds one (MMBench's TSV has pictures in base64)."""


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


def _problem(identifier: str, record: _Problem) -> Iterator[Item]:
    image = record.image and f"{record.split}/{identifier}/{record.image}"
    yield Item(identifier, image or None, record.question)


def _asked(_: str, record: _Asked) -> Iterator[Item]:
    yield Item(str(record.question_id), record.image or None, record.text)


class _Turn(msgspec.Struct, gc=False):
    role: str = msgspec.field(name="from")
    value: str


class _Talk(msgspec.Struct, gc=False):
    """A record of LLaVA's form, whatever other fields an evaluation set gives it."""

    id: str | int
    conversations: list[_Turn]
    image: str | None = None


def _conversation(_: str, record: _Talk) -> Iterator[Item]:
    for k, turn in enumerate(turn for turn in record.conversations if turn.role in ("human", "user")):
        yield Item(f"{record.id}#{k}", record.image or None, turn.value)


def _listed(where: str, record: Listed) -> Iterator[Item]:
    names = (record.image, record.file_name, record.image_id)
    image = next((str(name) for name in names if name not in (None, "") and len(str(name)) <= _MAX_NAME), None)
    text = record.question or record.text
    if image is None and text is None and not any(names):
        raise ValueError("neither an image nor a question, expected one of them")
    identifier = record.id if record.question_id is None else record.question_id
    yield Item(where if identifier is None else str(identifier), image, text)


_GENERAL = (
    EvaluationLayout(
        name="scienceqa",
        at="{}",
        form=_Problem,
        keys=frozenset({"question", "choices", "split"}),
        items=_problem,
        id="key",
        splits=True,
    ),
    EvaluationLayout(
        name="pope",
        at="list",
        form=_Asked,
        keys=frozenset({"question_id", "image", "text", "label"}),
        items=_asked,
    ),
    EvaluationLayout(name="llava", at="list", form=_Talk, keys=frozenset({"conversations"}), items=_conversation),
    EvaluationLayout(name="questions", at="list", form=_Asked, keys=frozenset({"question_id", "text"}), items=_asked),
    EvaluationLayout(name="list", at="list", form=Listed, keys=frozenset(), items=_listed),
)
_DECLARED = [source.about.evaluation for source in SOURCES.values()]
LAYOUTS = {layout.name: layout for layout in (*_DECLARED, *_GENERAL) if layout is not None}
"""By name; the first that fits a file is taken, so the sources' come before the general ones."""
_PICKLED = next(layout for layout in LAYOUTS.values() if layout.at == "pickle")


class DetectedLayout(NamedTuple):
    """A file's layout, and where its records are: that of a `RawFile`, or `table` with its separator."""

    layout: EvaluationLayout
    at: str
    separator: str = ""


def detect_layout(path: Path, layout: EvaluationLayout | None = None) -> DetectedLayout:
    """The layout of a file, told from its content unless it is named.

    Raises:
        RawDataError: when the file is missing or of no known layout.
    """
    data = map_file(path)
    start = len(BOM) if data[: len(BOM)] == BOM else 0
    chunk = data[start : start + _HEAD_BYTES]
    head = chunk.lstrip()
    start += len(chunk) - len(head)
    if layout is not None and layout.at != "list":
        return DetectedLayout(layout, layout.at)
    if head[:1] == b"\x80" or head[:2] == b"(l":
        return DetectedLayout(_PICKLED, "pickle")
    if head[:1] == b"[":
        return _detected(path, at="[]", keys=_first(path, memoryview(data)[start:]), layout=layout)
    if head[:1] != b"{":
        return _detect_table(path, head, layout)
    end = data.find(b"\n", start) + 1 or len(data)
    line = _keys(data[start:end])
    if line and (data[end : end + _HEAD_BYTES].strip() or _match("list", line)):
        return _detected(path, at="lines", keys=line, layout=layout)
    if layout is not None:
        raise RawDataError(
            f"{path}: one JSON object, expected the records of layout {layout.name} in a list or on lines"
        )
    return _detect_object(path, memoryview(data)[start:])


def _detect_object(path: Path, data: Any) -> DetectedLayout:
    """The layout of a file that is one JSON object."""
    fields = _decoded(path, data, dict[str, msgspec.Raw])
    for at in ("questions", "data"):
        if bytes(memoryview(fields.get(at, b""))[:1]) == b"[":
            return _detected(path, at=at, keys=_first(path, memoryview(fields[at])))
    return _detected(path, at="{}", keys=_keys(next(iter(fields.values()), b"")))


def _detect_table(path: Path, head: bytes, layout: EvaluationLayout | None) -> DetectedLayout:
    """A CSV or TSV, if its header has a column of a list."""
    header = head.split(b"\n", 1)[0].decode("utf-8", errors="replace").strip()
    separator = "\t" if "\t" in header else ","
    columns = [column.strip('" \r') for column in header.split(separator)]
    if not set(columns) & (set(LISTED) - {"id", "question_id"}):
        raise _unknown(path, f"no JSON, no pickle, no table whose header has {', '.join(LISTED[:5])}")
    return DetectedLayout(layout or LAYOUTS["list"], "table", separator)


def _detected(path: Path, *, at: str, keys: set[str], layout: EvaluationLayout | None = None) -> DetectedLayout:
    found = layout or _match(at if at not in ("[]", "lines") else "list", keys)
    if found is None:
        raise _unknown(path, f"its first record has {', '.join(sorted(keys)[:8])}" if keys else "no record in it")
    return DetectedLayout(found, at)


def _match(at: str, keys: set[str]) -> EvaluationLayout | None:
    """The first layout of this place whose keys are all there; a list needs an image or a question."""
    if at == "list" and not keys & (set(LISTED) | {"conversations"}) - {"id", "question_id"}:
        return None
    return next((layout for layout in LAYOUTS.values() if layout.at == at and layout.keys <= keys), None)


def _first(path: Path, data: memoryview) -> set[str]:
    """The keys of the first record of a list."""
    records = _decoded(path, data, list[msgspec.Raw])
    return _keys(records[0]) if records else set()


def _decoded(path: Path, data: memoryview, kind: Any) -> Any:
    """The undecoded records of a list, or the values of an object, however odd each of them is."""
    try:
        return msgspec.json.decode(data, type=kind)
    except UNREADABLE as error:
        if what := container(data):
            raise RawDataError(f"{path}: {what}") from None
        at = "[]" if bytes(data[:1]) == b"[" else "{}"
        found = split_records(data, at=at)
        if found is None:
            raise RawDataError(f"{path}: not a complete JSON file: {fault(error)[1]}; download it again") from None
        return [raw for _, raw in found] if at == "[]" else dict(found)


def _keys(record: Any) -> set[str]:
    """The keys of a JSON object; none when it is no object, or not whole."""
    try:
        return set(msgspec.json.decode(without_numbers_that_are_none(bytes(record)), type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return set()


def _unknown(path: Path, seen: str) -> RawDataError:
    known = ", ".join(LAYOUTS)
    return RawDataError(f"{path}: of no known layout ({seen}), expected one of {known}; name it with --layout")
