"""Mixtures of a few literal rows."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.manifest import FORMAT, Manifest, Shard, SourceEntry


def record(identifier: str, *texts: str, image: str | None = None) -> dict[str, Any]:
    """A row of human and gpt in turn."""
    turns = [{"from": "gpt" if i % 2 else "human", "value": text} for i, text in enumerate(texts)]
    return {
        "id": identifier,
        "source": identifier.partition("/")[0],
        "image": image,
        "conversations": turns,
        "origins": ["0"],
        "steps": [],
        "reference_id": "0",
    }


def write_mixture(folder: Path, records: Sequence[dict[str, Any]], *, rows_per_shard: int = 1000) -> Path:
    """A mixture of these rows, one source after the other as they stand."""
    (folder / "data").mkdir(parents=True)
    entries = []
    for source in dict.fromkeys(record["source"] for record in records):
        rows = [record for record in records if record["source"] == source]
        starts = range(0, len(rows), rows_per_shard)
        shards = [_write(folder, f"data/{source}-{k}.parquet", rows[k : k + rows_per_shard]) for k in starts]
        entries.append(SourceEntry(source, source, "", [], {}, [], [], len(rows), len(rows), shards))
    content = hashlib.sha256(msgspec.json.encode(records)).hexdigest()
    manifest = Manifest(FORMAT, "tests", "few", "", {}, [], len(records), len(records), content, entries)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def _write(folder: Path, path: str, rows: list[dict[str, Any]]) -> Shard:
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / path)
    content = (folder / path).read_bytes()
    return Shard(path, len(rows), len(content), hashlib.sha256(content).hexdigest(), "")
