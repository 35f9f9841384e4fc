"""Cutting conversations to a number of characters or pairs; `truncate` counts tokens."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Annotated

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.derive import derive
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError

Positive = Annotated[int, msgspec.Meta(ge=1)]


@step(needs="record")
def cut(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    max_chars: Positive | None = None,
    max_pairs: Positive | None = None,
) -> Iterator[Conversation]:
    """Keep the first pairs of each conversation: at most so many, with at most so many characters together.

    Characters are those of questions and answers. Only whole pairs are kept, so a conversation ends on an answer; where
    the first pair alone has too many characters the conversation is dropped. `split` keeps what comes after, too.
    """
    if max_chars is None and max_pairs is None:
        raise RecipeError("give max_chars, max_pairs or both")
    for conversation in conversations:
        pairs = conversation.pairs
        kept = pairs[:max_pairs]
        if max_chars is not None:
            ends = accumulate(len(pair.question) + len(pair.answer) for pair in kept)
            kept = kept[: sum(end <= max_chars for end in ends)]
        if not kept:
            funnel.drop(f"first pair over {max_chars} characters", conversation.id, pairs=len(pairs))
        elif len(kept) == len(pairs):
            yield conversation
        else:
            funnel.drop("cut off", conversations=0, pairs=len(pairs) - len(kept))
            funnel.note("conversation cut", conversation.id)
            yield derive(conversation, kept, done=f"cut after {len(kept)} of {len(pairs)} pairs")
