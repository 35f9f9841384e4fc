"""Comparing what a test has made, and saying shortly what was found."""

from pathlib import Path
from typing import Any

from mix665k.mixtures.diff.compare import Request
from mix665k.mixtures.diff.comparison import Comparison, SourceComparison
from mix665k.mixtures.diff.targets import compare_targets
from mix665k.mixtures.mixture import Mixture
from tests.mixtures.small import RECORDS, record, written

ALL = [one for records in RECORDS.values() for one in records]
"""The records of the small mixture, in its order."""


def compared(here: Path, there: Path, request: Request = Request()) -> Comparison:  # noqa: B008, a value
    """What a comparison finds."""
    return compare_targets(Mixture.open(here), Mixture.open(there), request, advance=lambda share: None)


def beside(mixture: Path, folder: Path, records: Any) -> Comparison:
    """A mixture beside a file of these records."""
    return compared(mixture, written(folder, records))


def found(source: SourceComparison) -> dict[str, int]:
    """What is not zero of a source's outcomes, the differing records by their fields."""
    counts = {"identical": source.identical, "reordered": source.reordered, **source.differing_in}
    counts |= {"only here": source.only_here, "only there": source.only_there, "moved": source.moved}
    return {what: count for what, count in counts.items() if count}


def by_source(comparison: Comparison) -> dict[str, dict[str, int]]:
    """The same of every source that has a record."""
    return {source.name: found(source) for source in comparison.sources if found(source)}


def two_files(folder: Path, here: list[dict[str, Any]], there: list[dict[str, Any]]) -> Comparison:
    """Two files in LLaVA's own form beside each other."""
    (folder / "here").mkdir(exist_ok=True)
    (folder / "there").mkdir(exist_ok=True)
    return compared(written(folder / "here", here), written(folder / "there", there))


def changed(number: int, *values: str, **fields: Any) -> list[dict[str, Any]]:
    """All records of the small mixture, one of them with other turns or fields."""
    one = ALL[number]
    values = values or tuple(turn["value"] for turn in one["conversations"])
    other = record(one["id"], one.get("image"), *values) | fields
    return [*ALL[:number], other, *ALL[number + 1 :]]
