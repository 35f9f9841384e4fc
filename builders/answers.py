"""Choosing one answer of several."""

from collections import Counter
from collections.abc import Iterable


def most_common(answers: Iterable[str]) -> str | None:
    """The most common non-empty answer, the earlier one of equals; None when all are empty."""
    counts = Counter(text for answer in answers if (text := answer.strip()))
    return max(counts, key=counts.__getitem__) if counts else None
