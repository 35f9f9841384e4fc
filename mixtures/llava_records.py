"""The records of a file in LLaVA's own form, checked as those of a mixture are."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from builders.llava_json import LlavaRecord
from builders.raw import Bad, json_path, read
from builders.registry import RawFile
from mixtures.check import RecordCheck
from mixtures.forms import told_source
from mixtures.inspection import Fault
from mixtures.measure import measure
from mixtures.rows import from_dicts

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

    def add(self, where: str, identifier: str, why: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(Fault(where, identifier, why))


def sound_records(path: Path, faults: Faults, *, progress: Callable[[int], None]) -> Iterator[Sound]:
    """The records without faults, one at a time; `progress` hears the bytes read since its last call.

    Raises:
        RawDataError: when the file is not a JSON list.
    """
    file = RawFile("records", path.name, LlavaRecord, "[]", None, url="")
    check = RecordCheck()
    for place, identifier, found in read(file, path, progress):
        where = json_path(file, place)
        if isinstance(found, Bad):
            inside = found.where.removeprefix(where)
            faults.add(where, identifier, f"${inside}: {found.why}" if inside else found.why)
            continue
        row = _row(found, where)
        why = _roles_fault(found) or check.row(row)
        if why is not None:
            faults.add(where, str(found.id), why)
        else:
            yield Sound(where, found.id, row)


def measure_records(records: Sequence[Sound]) -> pl.DataFrame:
    """The numbers of each record with the source that it tells, and whether its id is an integer."""
    frame = measure(from_dicts([record.row for record in records]))
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
