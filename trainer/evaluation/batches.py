"""Which questions are asked at once: those of a picture share its beginning; no answer depends on it."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple


class Prompt(NamedTuple):
    """A question as a model takes it: its place among the benchmark's, its token ids, its picture's name."""

    number: int
    ids: tuple[int, ...]
    image: str | None


class Group(NamedTuple):
    """Questions about one picture, or about none, the shortest first; the first `shared` token ids of all are equal."""

    image: str | None
    prompts: tuple[Prompt, ...]
    shared: int


class Unit(NamedTuple):
    """Work for one rank: several groups that fit into one batch, or one that is asked in several."""

    groups: tuple[Group, ...]

    @property
    def numbers(self) -> list[int]:
        """The places of its questions."""
        return [prompt.number for group in self.groups for prompt in group.prompts]


def plan(prompts: Sequence[Prompt], *, rows: int, shares: bool = True) -> list[Unit]:
    """All questions in units of at most `rows`, but a picture's questions stay together; the longest come first.

    Without `shares` each question has a group of its own. The order is that of lengths, so that little is padded and
    what does not fit into memory shows at once; it depends on the questions and `rows` only, never on what is done.
    """
    by_picture: defaultdict[object, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        by_picture[prompt.image if shares else prompt.number].append(prompt)
    groups = [piece for of in by_picture.values() for piece in _groups(of, rows=rows)]
    groups.sort(key=lambda group: (-len(group.prompts[-1].ids), group.prompts[0].number))
    units: list[list[Group]] = []
    count = 0
    for group in groups:
        if not units or count + len(group.prompts) > rows or (units[-1][0].image is None) != (group.image is None):
            units.append([])
            count = 0
        units[-1].append(group)
        count += len(group.prompts)
    return [Unit(tuple(of)) for of in units]


def _groups(prompts: Sequence[Prompt], *, rows: int) -> list[Group]:
    """The questions of a picture as one group; those without one, whose beginning is short, as groups of `rows`."""
    ordered = sorted(prompts, key=lambda prompt: (len(prompt.ids), prompt.number))
    size = len(ordered) if ordered[0].image is not None else rows
    pieces = [tuple(ordered[at : at + size]) for at in range(0, len(ordered), size)]
    return [Group(of[0].image, of, shared=shared_beginning([one.ids for one in of])) for of in pieces]


def shared_beginning(ids: Sequence[Sequence[int]]) -> int:
    """How many first token ids are equal, and of each at least one is left to answer from."""
    equal = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*ids, strict=False)))
    return min(equal, min(map(len, ids)) - 1)
