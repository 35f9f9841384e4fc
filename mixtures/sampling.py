"""Drawing a few records of each source to look at."""

import heapq
from typing import Any

from builders.draw import Draw
from mixtures.inspection import Sampled

SAMPLE_SEED = 0
"""Fixed, so that everyone who looks at a mixture sees the same records of it."""


class Sampler:
    """Keeps the `count` records of lowest rank for each source, whatever order they come in."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._draw = Draw(SAMPLE_SEED, purpose="inspect")
        self._kept: dict[str, list[tuple[int, int, dict[str, Any]]]] = {}
        self._offered = 0

    def offer(self, source: str, key: str, record: dict[str, Any]) -> None:
        """Consider a record; `key` tells it apart from all others."""
        if self._count == 0:
            return
        self._offered += 1
        kept = self._kept.setdefault(source, [])
        item = (-self._draw.rank(key), self._offered, record)
        if len(kept) < self._count:
            heapq.heappush(kept, item)
        else:
            heapq.heappushpop(kept, item)

    def drawn(self, source: str) -> list[Sampled]:
        """What was drawn of a source, the lowest rank first."""
        return [Sampled(source, record) for _, _, record in sorted(self._kept.get(source, []), reverse=True)]
