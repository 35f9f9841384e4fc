"""Cutting conversations to a number of tokens, counted as a trainer sees them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Literal

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.derive import derive
from mix665k.schemas.conversation import Conversation, Pair, values
from mix665k.schemas.tokens import TOKENS_PER_IMAGE, TokenCounter

_BATCH = 512
_CHARS_PER_TOKEN = 4
"""About as many as English has; a wrong guess costs time only, see `_measure`."""


@step(needs="record")
def truncate(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 2048,
    tokenizer: str,
    template: str = "v1",
    tokens_per_image: Annotated[int, msgspec.Meta(ge=1)] = TOKENS_PER_IMAGE,
    at: Literal["pair", "inside"] = "pair",
) -> Iterator[Conversation]:
    """Cut conversations that are over `max_tokens` as a trainer renders them, template and image included.

    An image is `tokens_per_image` of them, 576 with LLaVA-1.5's vision tower; `train check` says how many with another.

    The part that fits is kept and ends on an answer: whole pairs (`at: pair`), or also the part that fits of the answer
    where the limit falls (`at: inside`). Where the first pair alone is too long its answer is cut either way; where its
    question fills the limit the conversation is dropped. (Paper, appendix A.2: truncated, not split.)
    """
    counter = TokenCounter(tokenizer, template, tokens_per_image=tokens_per_image)
    stream = iter(conversations)
    while batch := list(islice(stream, _BATCH)):
        for conversation, pairs, ends in zip(batch, *_measure(batch, counter, max_tokens=max_tokens), strict=True):
            if ends[-1] <= max_tokens:
                yield conversation
            elif kept := _fitting(
                pairs, ends, counter=counter, system=conversation.system, max_tokens=max_tokens, inside=at == "inside"
            ):
                yield _cut(conversation, kept, funnel)
            else:
                funnel.drop("question fills the limit", conversation.id, pairs=len(conversation.pairs))


def texts(conversation: Conversation) -> list[tuple[str, str]]:
    """(question, answer) as they stand in the mixture."""
    turns = list(values(conversation))
    return list(zip(turns[::2], turns[1::2], strict=True))


def _measure(
    batch: Sequence[Conversation], counter: TokenCounter, *, max_tokens: int
) -> tuple[list[list[tuple[str, str]]], list[list[int]]]:
    """Texts and token counts by pair; of long conversations only as many pairs as show that they are too long."""
    whole = [texts(conversation) for conversation in batch]
    shown = [_enough(pairs, max_tokens * _CHARS_PER_TOKEN) for pairs in whole]
    systems = [conversation.system for conversation in batch]
    ends = counter.ends(shown, systems=systems)
    unsure = [i for i, end in enumerate(ends) if end[-1] <= max_tokens and len(shown[i]) < len(whole[i])]
    again = counter.ends([whole[i] for i in unsure], systems=[systems[i] for i in unsure])
    for i, end in zip(unsure, again, strict=True):
        shown[i], ends[i] = whole[i], end
    return shown, ends


def _enough(pairs: list[tuple[str, str]], max_chars: int) -> list[tuple[str, str]]:
    chars = 0
    for i, (question, answer) in enumerate(pairs):
        chars += len(question) + len(answer)
        if chars > max_chars:
            return pairs[: i + 1]
    return pairs


def _fitting(
    pairs: list[tuple[str, str]],
    ends: list[int],
    *,
    counter: TokenCounter,
    system: str | None,
    max_tokens: int,
    inside: bool,
) -> list[tuple[str, str]]:
    """The pairs that fit, the last one perhaps with a shorter answer; empty when not even its beginning does."""
    whole = sum(end <= max_tokens for end in ends)
    if not counter.pairs_end_in_special_token:
        while whole and counter.ends([pairs[:whole]], systems=[system])[0][-1] > max_tokens:
            whole -= 1
    if whole and not inside:
        return pairs[:whole]
    answer = counter.shorten(pairs[: whole + 1], max_tokens=max_tokens, system=system)
    return pairs[:whole] + ([(pairs[whole][0], answer)] if answer else [])


def _cut(conversation: Conversation, kept: list[tuple[str, str]], funnel: StepFunnel) -> Conversation:
    pairs = conversation.pairs[: len(kept)]
    done = f"cut after {len(kept)} of {len(conversation.pairs)} pairs"
    if kept[-1][1] != pairs[-1].answer:
        pairs[-1] = Pair(pairs[-1].question, kept[-1][1], pairs[-1].origin)
        funnel.note("answer cut", conversation.id)
        done += ", inside the last answer"
    if lost := len(conversation.pairs) - len(kept):
        funnel.drop("cut off", conversations=0, pairs=lost)
        funnel.note("conversation cut", conversation.id)
    return derive(conversation, pairs, done=done)
