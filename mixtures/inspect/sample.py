"""Drawing a few records of each source to look at."""

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mix665k.builders.draw import Draw
from mix665k.mixtures.inspect.findings import Sampled
from mix665k.mixtures.storage.parquet import to_dicts

SAMPLE_SEED = 0
"""Fixed, so that everyone who looks at a mixture sees the same records of it."""
_DRAW = Draw(SAMPLE_SEED, purpose="inspect")


def rank_of(key: str) -> int:
    """What a sample goes by: of any records it has those of lowest rank."""
    return _DRAW.rank(key)


class Sampler:
    """Keeps the `count` records of lowest rank for each source, whatever order they come in."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: dict[str, list[tuple[int, int, dict[str, Any]]]] = {}
        self._offered = 0

    def offer(self, source: str, key: str, record: dict[str, Any]) -> None:
        """Consider a record; `key` tells it apart from all others."""
        if self._count == 0:
            return
        self._offered += 1
        kept = self._kept.setdefault(source, [])
        item = (-rank_of(key), self._offered, record)
        if len(kept) < self._count:
            heapq.heappush(kept, item)
        else:
            heapq.heappushpop(kept, item)

    def offer_rows(self, source: str, rows: pa.RecordBatch) -> None:
        """Consider the rows of a batch by their ids; those that do not come in question cost next to nothing."""
        ids = rows.column("id").to_pylist()
        lowest = heapq.nsmallest(self._count, range(len(ids)), key=lambda i: rank_of(ids[i]))
        for row in to_dicts(rows.take(lowest)) if lowest else []:
            self.offer(source, row["id"], row)

    def drawn(self, source: str) -> list[Sampled]:
        """What was drawn of a source, the lowest rank first."""
        return [Sampled(source, record) for _, _, record in sorted(self._kept.get(source, []), reverse=True)]


def first_of_each(sampled: Sequence[Sampled], count: int) -> list[Sampled]:
    """The first records of each source: what would have been drawn, had only `count` been asked for."""
    seen: Counter[str] = Counter()
    kept = []
    for one in sampled:
        seen[one.source] += 1
        if seen[one.source] <= count:
            kept.append(one)
    return kept
