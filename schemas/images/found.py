"""What an index of shards says of one picture."""

from typing import NamedTuple


class Found(NamedTuple):
    """A picture of a shard: its name, how many bytes it has, and where they are.

    `offset` counts from the start of the shard's file; -1 for one that is stored compressed, in the column `column` of
    the Parquet row group `group`, as its value number `row`. `digest` is a hash of the bytes where they were read.
    """

    name: str
    size: int
    offset: int = -1
    group: int = -1
    column: int = -1
    row: int = -1
    digest: bytes | None = None
