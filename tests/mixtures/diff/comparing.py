"""Comparing what a test has made, and saying shortly what was found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mix665k.mixtures.diff.compare import compare
from mix665k.mixtures.diff.comparison import Comparison, SourceComparison
from mix665k.mixtures.mixture import Mixture
from tests.mixtures.small import RECORDS, record, written

ALL = [one for records in RECORDS.values() for one in records]
"""The records of the small mixture, in its order."""


def compared(a: Path, b: Path, *, sources: Sequence[str] = (), examples: int = 3) -> Comparison:
    """What a comparison finds."""
    mixtures = Mixture.open(a), Mixture.open(b)
    return compare(*mixtures, sources=sources, examples=examples, advance=lambda share: None)


def beside(mixture: Path, folder: Path, records: Any) -> Comparison:
    """A mixture beside a file of these records."""
    return compared(mixture, written(folder, records))


def found(source: SourceComparison) -> dict[str, int]:
    """What is not zero of a source's outcomes, the differing records by their fields."""
    counts = {"identical": source.identical, "reordered": source.reordered, **source.differing_in}
    counts |= {"only in A": source.only_in_a, "only in B": source.only_in_b, "moved": source.moved}
    return {what: count for what, count in counts.items() if count}


def by_source(comparison: Comparison) -> dict[str, dict[str, int]]:
    """The same of every source that has a record."""
    return {source.name: found(source) for source in comparison.sources if found(source)}


def two_files(folder: Path, a: list[dict[str, Any]], b: list[dict[str, Any]]) -> Comparison:
    """Two files in LLaVA's own form beside each other."""
    (folder / "a").mkdir(exist_ok=True)
    (folder / "b").mkdir(exist_ok=True)
    return compared(written(folder / "a", a), written(folder / "b", b))


def changed(number: int, *values: str, **fields: Any) -> list[dict[str, Any]]:
    """All records of the small mixture, one of them with other turns or fields."""
    one = ALL[number]
    values = values or tuple(turn["value"] for turn in one["conversations"])
    other = record(one["id"], one.get("image"), *values) | fields
    return [*ALL[:number], other, *ALL[number + 1 :]]
