"""Comparing the records drawn of a mixture with those drawn of its sources built again, field by field."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mix665k.mixtures.inspect.sample import rank_of

ABSENT = object()
_MAX_CHARS = 60
_BEFORE = 20


class Difference(NamedTuple):
    """A place, such as `conversations[2].value`, and what stands there on both sides (`ABSENT` for nothing)."""

    at: str
    found: Any
    expected: Any

    def in_words(self) -> str:
        """The difference in words; of long texts the part where they part."""
        start = 0
        if isinstance(self.found, str) and isinstance(self.expected, str):
            lengths = len(self.found), len(self.expected)
            if max(lengths) > _MAX_CHARS:
                both = zip(self.found, self.expected, strict=False)
                equal = next((i for i, (a, b) in enumerate(both) if a != b), min(lengths))
                start = max(equal - _BEFORE, 0)
        return f"{self.at}: {_shown(self.found, start)}, rebuilt {_shown(self.expected, start)}"


def differences(found: Any, expected: Any, *, at: str = "") -> Iterator[Difference]:
    """Every place where two values differ, each by its innermost field."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in found | expected:
            inside = f"{at}.{key}" if at else str(key)
            yield from differences(found.get(key, ABSENT), expected.get(key, ABSENT), at=inside)
    elif isinstance(found, list) and isinstance(expected, list):
        for i in range(max(len(found), len(expected))):
            pair = (values[i] if i < len(values) else ABSENT for values in (found, expected))
            yield from differences(*pair, at=f"{at}[{i}]")
    elif found is not expected and found != expected:
        yield Difference(at, found, expected)


def _shown(value: Any, start: int) -> str:
    if value is ABSENT:
        return "nothing"
    if isinstance(value, str):
        cut = value[start : start + _MAX_CHARS]
        return f"{'…' * (start > 0)}{cut!r}{'…' * (start + _MAX_CHARS < len(value))}"
    text = repr(value)
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"


Rows = list[dict[str, Any]]


def sample_faults(found: Rows, rebuilt: Rows, count: int) -> Iterator[str]:
    """Records that differ, and those of one side that the other has not.

    Both are the `count` records of lowest rank of all their side has, or all of them where there are fewer.
    """
    here, there = ({row["id"]: row for row in rows} for rows in (found, rebuilt))
    for identifier, row in here.items():
        if identifier in there:
            for difference in differences(row, there[identifier]):
                yield f"{identifier}: {difference.in_words()}"
        elif _reaches(rebuilt, identifier, count):
            yield f"{identifier}: not among the records built again"
    for identifier in there:
        if identifier not in here and _reaches(found, identifier, count):
            yield f"{identifier}: built again, but not in the mixture"


def _reaches(rows: Rows, identifier: str, count: int) -> bool:
    """Whether this record would be among the drawn ones if their side had it."""
    return len(rows) < count or rank_of(identifier) < max(rank_of(row["id"]) for row in rows)
