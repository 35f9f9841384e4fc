"""Reading a few records again, with their texts, to show what differs."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from mix665k.builders.llava_records import LlavaRecord, llava_file
from mix665k.builders.raw import read_again
from mix665k.mixtures.diff.sides import Contents
from mix665k.mixtures.storage.parquet import read_shard, to_dicts
from mix665k.schemas.manifest import Manifest


class Text(NamedTuple):
    """A record as LLaVA's own form has it; `where` is its unique id in a mixture, its JSON path in a file."""

    where: str
    id: str | int
    image: str | None
    turns: list[str]
    origins: list[str]
    steps: list[str]


def read_texts(contents: Contents, rows: Collection[int]) -> dict[int, Text]:
    """The records of these rows, by row."""
    if not rows:
        return {}
    path = Path(contents.side.path)
    at = dict(zip(rows, contents.records["at"].gather(list(rows)), strict=True))
    if contents.manifest is None:
        records = read_again(llava_file(path.name), path, set(at.values()))
        return {row: _of_file(records[place], place) for row, place in at.items()}
    found = _rows_of(path, contents.manifest, set(at.values()))
    integer = contents.records["integer"]
    return {row: _of_mixture(found[place], integer=integer[row]) for row, place in at.items()}


def _rows_of(folder: Path, manifest: Manifest, numbers: set[int]) -> dict[int, dict[str, Any]]:
    """Rows of a mixture by their number in it."""
    found: dict[int, dict[str, Any]] = {}
    begin = 0
    for shard in (shard for entry in manifest.sources for shard in entry.shards):
        wanted = {number for number in numbers if begin <= number < begin + shard.rows}
        end = begin
        for batch in read_shard(folder / shard.path) if wanted else ():
            here = [number for number in wanted if end <= number < end + len(batch)]
            found |= {number: to_dicts(batch.slice(number - end, 1))[0] for number in here}
            end += len(batch)
            if not wanted - found.keys():
                break
        begin += shard.rows
    return found


def _of_file(record: LlavaRecord, place: int) -> Text:
    return Text(f"$[{place}]", record.id, record.image, [turn.value for turn in record.conversations], [], [])


def _of_mixture(row: dict[str, Any], *, integer: bool) -> Text:
    identifier = row["reference_id"]
    turns = [turn["value"] for turn in row["conversations"]]
    return Text(
        row["id"], int(identifier) if integer else identifier, row["image"], turns, row["origins"], row["steps"]
    )
