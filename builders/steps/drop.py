"""Leaving out conversations by their length or their words."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError


@step(needs="record")
def drop_by_length(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    min_pairs: int = 1,
    max_pairs: int | None = None,
    min_chars: int = 0,
    max_chars: int | None = None,
) -> Iterator[Conversation]:
    """Drop conversations with fewer or more pairs, or characters in questions and answers, than said."""
    for conversation in conversations:
        pairs = len(conversation.pairs)
        chars = num_chars(conversation)
        if pairs < min_pairs:
            funnel.drop(f"under {min_pairs} pairs", conversation.id, pairs=pairs)
        elif max_pairs is not None and pairs > max_pairs:
            funnel.drop(f"over {max_pairs} pairs", conversation.id, pairs=pairs)
        elif chars < min_chars:
            funnel.drop(f"under {min_chars} characters", conversation.id, pairs=pairs)
        elif max_chars is not None and chars > max_chars:
            funnel.drop(f"over {max_chars} characters", conversation.id, pairs=pairs)
        else:
            yield conversation


def num_chars(conversation: Conversation) -> int:
    """The characters of its questions and answers."""
    return sum(len(pair.question) + len(pair.answer) for pair in conversation.pairs)


@step(needs="record")
def drop_by_pattern(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    pattern: str,
    field: Literal["question", "answer", "any"] = "any",
) -> Iterator[Conversation]:
    """Drop conversations in which a regular expression is found in a question, an answer or either."""
    try:
        found = re.compile(pattern).search
    except (re.error, OverflowError, RecursionError) as error:
        raise RecipeError(f"pattern: {pattern!r} is not a regular expression: {error}") from None
    for conversation in conversations:
        if any(
            (field != "answer" and found(pair.question)) or (field != "question" and found(pair.answer))
            for pair in conversation.pairs
        ):
            funnel.drop(f"matches {pattern!r}", conversation.id, pairs=len(conversation.pairs))
        else:
            yield conversation
