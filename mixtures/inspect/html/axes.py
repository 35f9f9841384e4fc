"""The axes of histograms: where each bin lies, and how it is labelled."""

from collections.abc import Callable, Sequence
from math import log2
from typing import NamedTuple

from mix665k.mixtures.inspect.findings import MAX_TOKENS
from mix665k.mixtures.inspect.measure import TOKENS_PER_BIN, WORD_BINS

_MOST_PAIRS = 40
_MOST_TOKENS = MAX_TOKENS + 512


class Bin(NamedTuple):
    """The middle and width of a bin on the axis, and which values it holds, in words."""

    middle: float
    width: float
    values: str


class Axis(NamedTuple):
    """`bin` gives a bin by its upper end, `at` the position of a value; `mark` is a position to draw a line at."""

    name: str
    bin: Callable[[int], Bin]
    at: Callable[[float], float]
    ticks: dict[float, str]
    mark: float | None = None


def pairs_axis(longest: int) -> Axis:
    """One bin for each number, those beyond 40 together."""
    pooled = Bin(_MOST_PAIRS + 1, 1, f"more than {_MOST_PAIRS} pairs")
    return Axis(
        name="pairs",
        bin=lambda end: pooled if end > _MOST_PAIRS else Bin(end, 1, f"{end} pairs" if end > 1 else "1 pair"),
        at=lambda value: min(value, pooled.middle),
        ticks=_ticks((1, 5, 10, 20, 30), longest, pooled),
    )


def tokens_axis(longest: int) -> Axis:
    """Bins of 32 tokens, those beyond 2,560 together; the length of training is marked."""
    wide = 2 * TOKENS_PER_BIN
    pooled = Bin(_MOST_TOKENS + wide / 2, wide, f"more than {_MOST_TOKENS:,} tokens")

    def bin_of(end: int) -> Bin:
        if end > _MOST_TOKENS:
            return pooled
        begin = end - TOKENS_PER_BIN
        return Bin(begin + TOKENS_PER_BIN / 2, TOKENS_PER_BIN, f"{begin + 1:,} to {end:,} tokens")

    ticks = _ticks(tuple(range(0, _MOST_TOKENS + 1, 512)), max(longest, MAX_TOKENS), pooled)
    return Axis(name="tokens", bin=bin_of, at=lambda value: min(value, pooled.middle), ticks=ticks, mark=MAX_TOKENS)


def words_axis(longest: int) -> Axis:
    """Bins that grow with the number of words, on a scale of logarithms."""
    ends = WORD_BINS.tolist()
    below = dict(zip(ends[1:], ends, strict=False))

    def bin_of(end: int) -> Bin:
        begin = below.get(end, 0)
        left, right = log2(max(begin, 0.7)), log2(end)
        values = f"{end:,}" if end - begin == 1 else f"{begin + 1:,} to {end:,}"
        return Bin((left + right) / 2, right - left, f"{values} words")

    labelled = [n for n in (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000) if n <= max(longest, 10)]
    ticks = {log2(n): f"{n:,}" for n in labelled}
    return Axis(name="words", bin=bin_of, at=lambda value: log2(max(value, 1)), ticks=ticks)


def _ticks(values: Sequence[int], longest: int, pooled: Bin) -> dict[float, str]:
    """Labels up to the longest, and one for the bin of all that are longer than the axis."""
    shown: dict[float, str] = {value: f"{value:,}" for value in values if value <= longest}
    return shown | ({pooled.middle: "more"} if longest > pooled.middle else {})
