"""Counts at a scale, and JSON files written record by record."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import TypeVar

from mix665k.schemas.files import whole_file

T = TypeVar("T")
BATCH = 2_000  # records joined before they are written


def source_rng(source: str, *, seed: int) -> Random:
    """The generator of one source, independent of every other source.

    Made-up data are no sample of anything, so a library's generator is fine here.
    """
    return Random(f"{seed}/{source}")


def scaled(real: int, scale: float, *, least: int = 4) -> int:
    """`real` times `scale`, but never fewer than `least`, so that a tiny scale leaves no file empty."""
    return max(least, round(real * scale))


def spread(rng: Random, *, total: int, parts: int) -> list[int]:
    """`parts` counts of at least one each that add up to `total`, most of them near the mean."""
    assert total >= parts, (total, parts)
    counts = [1] * parts
    for part in rng.choices(range(parts), k=total - parts):
        counts[part] += 1
    return counts


def numbered(items: Iterable[T], counts: Iterable[int]) -> Iterator[tuple[T, int]]:
    """Every item as often as its count says, with 0, 1, 2, … beside it."""
    return ((item, number) for item, count in zip(items, counts, strict=True) for number in range(count))


def quoted(text: str) -> str:
    """The JSON string of a text, in UTF-8 where the text is not ASCII."""
    return json.dumps(text, ensure_ascii=False)


def write_records(path: Path, records: Iterable[str], *, head: str = "[", tail: str = "]") -> Path:
    """Write encoded records between `head` and `tail` with `json.dump`'s separators, and give the path.

    They are written in batches, so that no more than `BATCH` of them are in memory; the folder is made if need be.
    """
    rest = iter(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(head.encode())
        separator = ""
        while batch := list(islice(rest, BATCH)):
            file.write((separator + ", ".join(batch)).encode())
            separator = ", "
        file.write(tail.encode())
    return path
