"""What a figure is made of, question by question, so that its pictures can be drawn again."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """`times` the sum of `above` over that of `below`, which is 1 where it is None; a figure is the sum of its parts.

    Entries are those of questions, or of anything that is scored at once; `pictures` names the picture of each. `empty`
    is the part's value where `below` sums to 0. Pictures of a `stratum` are as many in every draw as in the data.
    """

    pictures: Sequence[str]
    above: Sequence[float]
    below: Sequence[float] | None = None
    times: float = 100.0
    empty: float = math.nan
    stratum: str = ""

    def value(self) -> float:
        """The part of the figure."""
        below = len(self.above) if self.below is None else sum(self.below)
        return self.times * sum(self.above) / below if below else self.empty


def figures_of(parts: Mapping[str, Sequence[Part]]) -> dict[str, float]:
    """The figures that these parts give."""
    return {name: sum(part.value() for part in of) for name, of in parts.items()}


def means(groups: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, tuple[Part, ...]]:
    """Figures that are means, in per cent, of pairs of a picture's name and a score from 0 to 1."""
    return {name: (Part([picture for picture, _ in of], [score for _, score in of]),) for name, of in groups.items()}
