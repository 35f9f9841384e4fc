"""The records of a file in LLaVA's own form, checked as those of a mixture are."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa

from mix665k.builders.raw import Bad, json_path, read
from mix665k.builders.sources.llava_json import LlavaRecord, llava_file
from mix665k.mixtures.inspect.findings import Fault
from mix665k.mixtures.inspect.measure import measure
from mix665k.mixtures.storage.parquet import SCHEMA, TURN, lists
from mix665k.mixtures.storage.prompt_kinds import told_source
from mix665k.mixtures.storage.validate import RecordCheck

_MAX_EXAMPLES = 10


class Sound(NamedTuple):
    """A record without faults: where it stands, its id as the file has it, and the row it would be in a mixture."""

    where: str
    id: str | int
    row: dict[str, Any]

    def as_published(self) -> dict[str, Any]:
        """Id, image and conversations, as in the file."""
        image = {} if self.row["image"] is None else {"image": self.row["image"]}
        return {"id": self.id, **image, "conversations": self.row["conversations"]}


class Faults:
    """Counts records with faults and keeps a few examples."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Count one."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(fault)


def sound_records(path: Path, faults: Faults, *, progress: Callable[[int], None]) -> Iterator[Sound]:
    """The records without faults, one at a time; `progress` hears the bytes read since its last call.

    Raises:
        RawDataError: when the file is not a JSON list.
    """
    check = RecordCheck()
    for place, found in decoded_records(path, progress=progress):
        fault = found if isinstance(found, Fault) else fault_of(found, place, check)
        if fault is not None:
            faults.add(fault)
        elif not isinstance(found, Fault):
            yield Sound(f"$[{place}]", found.id, _row(found, f"$[{place}]"))


def decoded_records(path: Path, *, progress: Callable[[int], None]) -> Iterator[tuple[int, LlavaRecord | Fault]]:
    """The records of a file by their place in its list, or what is wrong with their form; see `sound_records`."""
    file = llava_file(path.name)
    for place, identifier, found in read(file, path, progress):
        assert isinstance(place, int), place
        if isinstance(found, Bad):
            where = json_path(file, place)
            inside = found.where.removeprefix(where)
            yield place, Fault(where, identifier, f"${inside}: {found.why}" if inside else found.why)
        else:
            yield place, found


def fault_of(record: LlavaRecord, place: int, check: RecordCheck) -> Fault | None:
    """What is wrong with the content of a record, if anything."""
    why = _roles_fault(record) or check.row(_row(record, f"$[{place}]"))
    return None if why is None else Fault(f"$[{place}]", str(record.id), why)


def to_rows(records: Sequence[tuple[int, LlavaRecord]]) -> pa.RecordBatch:
    """Records with their places as the rows they would be in a mixture, whatever faults they have."""
    turns = [turn for _, record in records for turn in record.conversations]
    counts = [len(record.conversations) for _, record in records]
    origins = [f"$[{place}]" for place, record in records for _ in record.conversations[1::2]]
    structs = pa.StructArray.from_arrays(
        [pa.array([turn.role for turn in turns], pa.string()), pa.array([turn.value for turn in turns], pa.string())],
        fields=list(TURN),
    )
    columns = [
        pa.array([f"file/{record.id}" for _, record in records], pa.string()),
        pa.array(["file"] * len(records), pa.string()),
        pa.array([record.image for _, record in records], pa.string()),
        lists(counts, structs),
        lists([count // 2 for count in counts], pa.array(origins, pa.string())),
        lists([0] * len(records), pa.array([], pa.string())),
        pa.array([str(record.id) for _, record in records], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def measure_records(records: Sequence[Sound], rows: pa.RecordBatch) -> pl.DataFrame:
    """The numbers of each record with the source that it tells, and whether its id is an integer.

    `rows` are those of the records.
    """
    frame = measure(rows)
    integers = pl.Series("integer_id", [isinstance(record.id, int) for record in records], pl.Boolean)
    return frame.with_columns(integers, source=told_source(pl.col("image"), pl.col("form")))


def _row(record: LlavaRecord, where: str) -> dict[str, Any]:
    return {
        "id": f"file/{record.id}",
        "source": "file",
        "image": record.image,
        "conversations": [{"from": turn.role, "value": turn.value} for turn in record.conversations],
        "origins": [where] * (len(record.conversations) // 2),
        "steps": [],
        "reference_id": str(record.id),
    }


def _roles_fault(record: LlavaRecord) -> str | None:
    roles = [turn.role for turn in record.conversations]
    if roles and roles == ["human", "gpt"] * (len(roles) // 2):
        return None
    return f"$.conversations: turns by {', '.join(roles) or 'no one'}, expected human and gpt in turn"
