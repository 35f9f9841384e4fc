"""Looking through one shard: its file, its rows, every record, read once."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.parallel import Report
from mix665k.mixtures.storage.integrity import AGAIN, file_faults, record_faults, row_faults
from mix665k.mixtures.storage.parquet import Filling, count_pairs, read_shard
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.mixtures.verify.verification import MAX_SHOWN, Lines
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.manifest import Shard, SourceEntry


class ShardRequest(NamedTuple):
    """A shard to look through, and how many records to draw of it."""

    folder: Path
    entry: SourceEntry
    shard: Shard
    sample: int


class Looked(NamedTuple):
    """What was found in a shard; rows that cannot be read are missing in all but the faults."""

    source: str
    there: bool
    file: Lines
    content: Lines
    records: Lines
    rows: int
    pairs: int
    ids: list[pa.Array]
    drawn: list[dict[str, Any]]


def look_at(request: ShardRequest, report: Report) -> Looked:
    """Everything that is wrong with a shard."""
    folder, entry, shard, sample = request
    file, content, records, pairs = Lines(), Lines(), Lines(), 0
    found, sampler, check = Filling(), Sampler(sample), RecordCheck()
    ids: list[pa.Array] = []
    there = (folder / shard.path).is_file()
    try:
        for line in file_faults(folder, shard) if there else ():
            file.add(line)
        for batch in read_shard(folder / shard.path) if there else ():
            found.add(batch)
            ids.append(batch.column("id"))
            sampler.offer_rows(entry.name, batch)
            pairs += count_pairs(batch)
            shown = MAX_SHOWN - records.count
            for why in record_faults(batch, check, entry=entry, shard=shard, max_explained=shown):
                records.add(why)
            report(0, len(batch))
        for line in row_faults(shard, found) if there else ():
            content.add(line)
    except MixtureError as error:
        content.add(str(error).removeprefix(f"{folder}/").removesuffix(f"; {AGAIN}"))
    except OSError as error:
        content.add(f"{shard.path}: {os_reason(error)}")
    drawn = [one.record for one in sampler.drawn(entry.name)]
    return Looked(entry.name, there, file, content, records, found.rows, pairs, ids, drawn)
