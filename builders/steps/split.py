"""One conversation into several: segments of it, or copies."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.derive import derive
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair, count_tokens

Positive = Annotated[int, msgspec.Meta(ge=1)]


@step(needs="record")
def split(conversations: Iterable[Conversation], funnel: StepFunnel, *, max_pairs: Positive) -> Iterator[Conversation]:
    """Cut conversations into segments of at most `max_pairs` pairs, in order.

    An only image goes with each segment. Of several a segment has those that were shown by then, the ones of earlier
    turns in front of its first question.
    """
    for conversation in conversations:
        pairs = conversation.pairs
        starts = range(0, len(pairs), max_pairs)
        funnel.regroup("split", conversations=len(starts) - 1)
        for start in starts:
            segment = pairs[start : start + max_pairs]
            if conversation.more_images and (shown := count_tokens(pairs[:start])):
                first = segment[0]
                segment[0] = Pair(f"{IMAGE_TOKEN}\n" * shown + first.question, first.answer, first.origin)
            done = f"pairs {start}-{start + len(segment) - 1}"
            yield derive(conversation, segment, done=done, several=True)


@step(needs="record")
def repeat(conversations: Iterable[Conversation], funnel: StepFunnel, *, times: Positive) -> Iterator[Conversation]:
    """Give each conversation `times` times, one copy behind the other."""
    for conversation in conversations:
        funnel.regroup("repeated", conversations=times - 1, pairs=(times - 1) * len(conversation.pairs))
        for k in range(times):
            pairs = [Pair(pair.question, pair.answer, pair.origin) for pair in conversation.pairs]
            yield derive(conversation, pairs, done=f"copy {k}", several=True)
