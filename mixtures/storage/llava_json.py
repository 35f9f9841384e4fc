"""A file in LLaVA's own JSON form as rows of a mixture, its records checked as those of a mixture are."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from mix665k.builders.decode import BadRecord, json_path, read
from mix665k.builders.llava_records import LlavaRecord, answered, llava_file, take_turns
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP, SCHEMA, TURN, lists, to_dicts, uncollected
from mix665k.mixtures.storage.validate import RecordCheck, suspects
from mix665k.schemas.conversation import in_order
from mix665k.schemas.errors import MixtureError

LABEL = "file"
"""What the rows of a file have as `source`, and in front of their ids."""
WHOLE_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
"""Texts that a 64-bit integer gives back unchanged."""
_MAX_EXAMPLES = 10


class Fault(msgspec.Struct):
    """What is wrong with one record of a JSON file: its JSON path, its id, and the reason."""

    where: str
    id: str
    why: str


class Faults:
    """Counts records with faults and keeps the first ten as examples."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Count one."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(fault)

    def require_none(self, path: object) -> None:
        """No record of the file has a fault.

        Raises:
            MixtureError: with the number of those that have one, and the first.
        """
        if self.count:
            first = self.examples[0]
            raise MixtureError(
                f"{path}: {self.count:,} records with faults, expected none; the first is {first.where} "
                f"(id {first.id!r}): {first.why}; fix them in the file"
            )


class FileRows(NamedTuple):
    """Records of a file: as rows, where each stands in the file's list, and whether its id is an integer there."""

    rows: pa.RecordBatch
    places: list[int]
    integer_ids: list[bool]


def read_rows(path: Path, faults: Faults, *, checked: bool, progress: Callable[[int], None]) -> Iterator[FileRows]:
    """The records without faults, a row group's worth of the file at a time; the others are added to `faults`.

    Unless `checked`, only a record that is not of LLaVA's form has a fault, and the rows may hold any texts.
    `progress` is called with the bytes read since its last call.

    Raises:
        RawDataError: when the file is missing or no JSON list.
    """
    file = llava_file(path.name)
    found, check = read(file, path, progress), RecordCheck()
    while batch := _next(found):
        records: list[tuple[int, LlavaRecord]] = []
        bad: dict[int, Fault] = {}
        for place, identifier, one in batch:
            assert isinstance(place, int), place
            if isinstance(one, BadRecord):
                where = json_path(file, place)
                inside = one.where.removeprefix(where)
                bad[place] = Fault(where, identifier, f"${inside}: {one.why}" if inside else one.why)
            else:
                records.append((place, one))
        rows = to_rows(records)
        for i in suspects(rows, source=LABEL) if checked else ():
            place, record = records[i]
            if why := _roles_fault(record) or check.row(to_dicts(rows.slice(i, 1))[0], boxes=False):
                bad[place] = Fault(f"$[{place}]", str(record.id), why)
        for place in sorted(bad):
            faults.add(bad[place])
        sound = [i for i, (place, _) in enumerate(records) if place not in bad]
        rows = rows.take(pa.array(sound, pa.int64())) if len(sound) < len(rows) else rows
        records = [records[i] for i in sound]
        yield FileRows(rows, [place for place, _ in records], [isinstance(one.id, int) for _, one in records])


def _next(found: Iterator[Any]) -> list[Any]:
    with uncollected():
        return list(islice(found, ROWS_PER_GROUP))


def to_rows(records: Sequence[tuple[int, LlavaRecord]]) -> pa.RecordBatch:
    """Records with their places as the rows they would be in a mixture, whatever faults they have."""
    said = [answered(record) for _, record in records]
    turns = [turn for own in said for turn in own]
    counts = [len(own) for own in said]
    origins = [f"$[{place}]" for (place, _), own in zip(records, said, strict=True) for _ in own[1::2]]
    structs = pa.StructArray.from_arrays(
        [pa.array([turn.role for turn in turns], pa.string()), pa.array([turn.value for turn in turns], pa.string())],
        fields=list(TURN),
    )
    columns = [
        pa.array([f"{LABEL}/{record.id}" for _, record in records], pa.string()),
        pa.array([LABEL] * len(records), pa.string()),
        pa.array([next(iter(record.images), None) for _, record in records], pa.string()),
        pa.array([record.images[1:] or None for _, record in records], pa.list_(pa.string())),
        pa.array([record.system for _, record in records], pa.string()),
        lists(counts, structs),
        lists([count // 2 for count in counts], pa.array(origins, pa.string())),
        lists([0] * len(records), pa.array([], pa.string())),
        pa.array([str(record.id) for _, record in records], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def published_record(row: dict[str, Any], *, integer_id: bool) -> dict[str, Any]:
    """A row as the published file has it, where text-only records have `model` in place of `image`.

    Several images are a list, as LLaVA-NeXT reads them, and a system text is a turn in front, as in ShareGPT's form.
    """
    images = in_order(row["image"], row.get("more_images"))
    about = {"image": images[0] if len(images) == 1 else images} if images else {"model": ""}
    system = [{"from": "system", "value": row["system"]}] if row.get("system") else []
    turns = system + row["conversations"]
    return {"id": published_id(row["reference_id"], integer=integer_id), **about, "conversations": turns}


def published_id(reference_id: str, *, integer: bool) -> str | int:
    """The id that LLaVA's own form has for a row."""
    return int(reference_id) if integer else reference_id


def _roles_fault(record: LlavaRecord) -> str | None:
    if take_turns(answered(record)):
        return None
    roles = ", ".join(turn.role for turn in record.conversations) or "no one"
    return f"$.conversations: turns by {roles}, expected human and gpt in turn"
