"""Answers of several people as one, and multiple-choice questions: laying out options, rotating them, letters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from string import ascii_uppercase
from typing import Literal

from mix665k.schemas.conversation import is_blank

Order = Literal["rotate_left", "rotate_right", "as_is"]


def rotated(choices: Sequence[str], by: int, *, order: Order) -> list[tuple[int, str]]:
    """The choices with their raw indices, turned by `by` places: the first shown is raw index `by` (left) or `-by`."""
    shift = {"rotate_left": by, "rotate_right": -by, "as_is": 0}[order] % len(choices)
    indexed = list(enumerate(choices))
    return indexed[shift:] + indexed[:shift]


def ask(question: str, choices: Sequence[tuple[int, str]]) -> str:
    """The question with a line `A. choice` for each option."""
    lines = [f"{letter}. {choice}" for letter, (_, choice) in zip(ascii_uppercase, choices, strict=False)]
    return "\n".join([question, *lines])


def letter_of(raw_index: int, choices: Sequence[tuple[int, str]]) -> str:
    """The letter under which the option of this raw index is shown."""
    return ascii_uppercase[[index for index, _ in choices].index(raw_index)]


def most_common(answers: Iterable[str]) -> str | None:
    """The most common non-empty answer, the earlier one of equals; None when all are empty."""
    counts = Counter(text for answer in answers if not is_blank(text := answer.strip()))
    return max(counts, key=counts.__getitem__) if counts else None
