"""How large the sources of a mixture are, on disk and in memory, told by the footers of their shards."""

from pathlib import Path

from mix665k.mixtures.card.front_matter import Size
from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.manifest import SourceEntry
from mix665k.schemas.shards import open_shard

_OFFSET = 4
"""Bytes of an offset, one per text or list."""
_LISTS = sum(str(field.type).startswith("list") for field in SCHEMA)


def source_size(folder: Path, entry: SourceEntry) -> Size:
    """The size of a source; its bytes in memory are those that `datasets` counts, to about one in a hundred."""
    num_bytes = sum(_memory_bytes(folder / shard.path, entry.name) for shard in entry.shards)
    return Size(entry.conversations, num_bytes, sum(shard.bytes for shard in entry.shards))


def _memory_bytes(path: Path, name: str) -> int:
    """What plain columns take in Parquet they take in memory; the two that are stored as dictionaries are counted."""
    with open_shard(path) as shard:
        footer = shard.metadata
    known = {"source": len(name.encode()) + _OFFSET, "conversations.list.element.from": 4 + _OFFSET}  # human and gpt
    found: int = footer.num_rows * _LISTS * _OFFSET
    for i in range(footer.num_row_groups):
        for j in range(footer.num_columns):
            column = footer.row_group(i).column(j)
            each = known.get(column.path_in_schema)
            found += column.total_uncompressed_size if each is None else column.num_values * each
    return found
