"""Comparing the records drawn of a mixture with those drawn of its sources built again."""

from collections.abc import Iterator
from typing import Any

from mix665k.mixtures.inspect.sample import rank_of
from mix665k.mixtures.verify.fields import differences

Rows = list[dict[str, Any]]


def sample_faults(found: Rows, rebuilt: Rows, count: int) -> Iterator[str]:
    """Records that differ, and those of one side that the other has not.

    Both are the `count` records of lowest rank of all their side has, or all of them where there are fewer.
    """
    here, there = ({row["id"]: row for row in rows} for rows in (found, rebuilt))
    for identifier, row in here.items():
        if identifier in there:
            for difference in differences(row, there[identifier]):
                yield f"{identifier}: {difference.told()}"
        elif _reaches(rebuilt, identifier, count):
            yield f"{identifier}: not among the records built again"
    for identifier in there:
        if identifier not in here and _reaches(found, identifier, count):
            yield f"{identifier}: built again, but not in the mixture"


def _reaches(rows: Rows, identifier: str, count: int) -> bool:
    """Whether this record would be among the drawn ones if their side had it."""
    return len(rows) < count or rank_of(identifier) < max(rank_of(row["id"]) for row in rows)
