"""How far a figure might be from that of other pictures of the same kind: bootstrap intervals.

Questions on one picture are right or wrong together, so pictures are drawn, with replacement, and not questions. The
published figures come without intervals; two models compare by theirs only roughly, as both saw the same pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mix665k.trainer.evaluation.parts import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
NUM_DRAWS = 1000
SEED = 0
_AT_ONCE = 1 << 18
"""Drawn pictures held at a time: what fits a core's cache is three times as fast as all at once."""


class Interval(NamedTuple):
    """The middle 95 % of a figure's draws."""

    low: float
    high: float


def intervals(parts: Mapping[str, Sequence[Part]]) -> dict[str, Interval | None]:
    """Each figure's interval; None where it is of one picture."""
    num_pictures = {name: len({picture for part in of for picture in part.pictures}) for name, of in parts.items()}
    drawn = draws(parts)
    return {name: _middle(drawn[name]) if num_pictures[name] > 1 else None for name in parts}


def draws(parts: Mapping[str, Sequence[Part]]) -> "dict[str, NDArray[np.float64]]":
    """Each figure in every draw; nan where a draw has none of its questions.

    A draw takes as many pictures as there are (of each stratum), each with all its questions. Every figure of a draw is
    of the same pictures.
    """
    import numpy as np

    places, sizes = _places(parts)
    flat = [part for of in parts.values() for part in of]
    sums = np.stack([column for part in flat for column in _sums(part, places)], axis=1)
    drawn = np.concatenate([counts @ sums for counts in _draw(sizes)])
    above, below = drawn[:, ::2], drawn[:, 1::2]
    times, empty = (np.array([getattr(part, name) for part in flat]) for name in ("times", "empty"))
    values = iter(np.where(below > 0, times * above / np.where(below > 0, below, 1), empty).T)
    return {name: sum((next(values) for _ in of), np.zeros(NUM_DRAWS)) for name, of in parts.items()}


def _middle(figure: "NDArray[np.float64]") -> Interval | None:
    import numpy as np

    figure = figure[~np.isnan(figure)]
    if not len(figure):
        return None
    low, high = np.quantile(figure, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(round(float(low), 4), round(float(high), 4))  # the last digits depend on the order of sums


def _places(parts: Mapping[str, Sequence[Part]]) -> tuple[dict[str, int], list[int]]:
    """The place of each picture, stratum after stratum, and how many pictures each stratum has."""
    strata: dict[str, dict[str, None]] = {}
    for of in parts.values():
        for part in of:
            strata.setdefault(part.stratum, {}).update(dict.fromkeys(part.pictures))
    places = {picture: place for place, picture in enumerate(name for names in strata.values() for name in names)}
    sizes = [len(names) for names in strata.values()]
    assert len(places) == sum(sizes), "a picture is in two strata"
    return places, sizes


def _sums(part: Part, places: Mapping[str, int]) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """The sums of `above` and of `below` over the questions of each picture, [pictures]."""
    import numpy as np

    of = np.array([places[picture] for picture in part.pictures], dtype=np.intp)
    above = np.asarray(part.above, dtype=np.float64)
    below = np.ones(len(of)) if part.below is None else np.asarray(part.below, dtype=np.float64)
    above, below = (np.bincount(of, one, len(places)).astype(np.float64) for one in (above, below))
    return above, below


def _draw(sizes: Sequence[int]) -> "Iterator[NDArray[np.float64]]":
    """How often each picture was drawn, [draws, pictures], some draws at a time; the same on every machine.

    A bit generator's stream is fixed by numpy for good, that of its distributions is not.
    """
    import numpy as np

    bits = np.random.PCG64(SEED)
    num_pictures = sum(sizes)
    at_once = max(1, _AT_ONCE // max(1, num_pictures))
    for start in range(0, NUM_DRAWS, at_once):
        num_draws = min(at_once, NUM_DRAWS - start)
        counts = np.empty((num_draws, num_pictures), dtype=np.float64)
        first = 0
        for size in sizes:
            half = bits.random_raw((num_draws * size + 1) // 2).view(np.uint32)[: num_draws * size]
            drawn = (half.astype(np.uint64) * np.uint64(size)) >> np.uint64(32)
            rows = np.repeat(np.arange(num_draws, dtype=np.int64) * size, size)
            flat = np.bincount(drawn.astype(np.int64) + rows, minlength=num_draws * size)
            counts[:, first : first + size] = flat.reshape(num_draws, size)
            first += size
        yield counts
