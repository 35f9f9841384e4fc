"""Steps that make sense for any source: conversations in, conversations out."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from mix665k.builders.bind import Steps
from mix665k.builders.draw import Draw
from mix665k.builders.funnel import Tally
from mix665k.builders.reference import Reference
from mix665k.builders.registry import step
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair
from mix665k.schemas.errors import RecipeError

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


def derive(conversation: Conversation, pairs: list[Pair], *, done: str, several: bool | None = None) -> Conversation:
    """A conversation made from another one; `done` says how."""
    return Conversation(
        conversation.id,
        conversation.image,
        pairs,
        conversation.reference_id,
        conversation.several if several is None else several,
        (*conversation.history, done),
        conversation.position,
    )


@step
def merge_by_image(conversations: Iterable[Conversation], tally: Tally) -> Iterator[Conversation]:
    """Join the conversations of one image into one, in the order of first appearance.

    Text-only conversations pass as they are. (Paper, appendix A.2.)
    """
    merged: dict[str, list[Conversation]] = {}
    for i, conversation in enumerate(conversations):
        merged.setdefault(conversation.image or f"\n{i}", []).append(conversation)
    ids = Counter(group[0].id for group in merged.values())
    for group in merged.values():
        first = group[0]
        several = ids[first.id] > 1  # people's own files may give one id to several images
        if len(group) == 1:
            first.several = first.several and (several or first.image is None)
            yield first
            continue
        tally.change("merged", conversations=1 - len(group))
        pairs = first.pairs + [pair for other in group[1:] for pair in _without_token(other.pairs)]
        yield derive(first, pairs, done=f"merged {len(group)}", several=several)


def _without_token(pairs: list[Pair]) -> list[Pair]:
    """The pairs of a conversation that no longer comes first: its image token has gone."""
    first = pairs[0]
    if IMAGE_TOKEN not in first.question:
        return pairs
    question = first.question.replace(f"{IMAGE_TOKEN}\n", "").replace(f"\n{IMAGE_TOKEN}", "").replace(IMAGE_TOKEN, "")
    return [Pair(question, first.answer, first.origin), *pairs[1:]]


@step
def add_prompt(
    conversations: Iterable[Conversation],
    tally: Tally,  # noqa: ARG001, nothing changes in number
    *,
    text: str,
    questions: Literal["first", "all"] = "first",
) -> Iterator[Conversation]:
    """Put a response-format prompt on a line of its own behind the first question, or behind all.

    LLaVA's file has it on the first only.
    """
    done = "prompt added" if questions == "first" else "prompts added"
    for conversation in conversations:
        for pair in conversation.pairs[: 1 if questions == "first" else None]:
            pair.question = f"{pair.question}\n{text}"
        conversation.history += (done,)
        yield conversation


@step
def sample(
    conversations: Iterable[Conversation],
    tally: Tally,
    *,
    seed: int,
    count: Positive | None = None,
    fraction: Share | None = None,
    ids_from: str | None = None,
    surviving: Steps,
) -> Iterator[Conversation]:
    """Draw `count` conversations, or a `fraction` of them, and keep their order.

    Each has a rank that only the seed and its id decide (where one raw id gives several conversations: also the origin
    of the first pair and the steps before); the lowest ranks are drawn. With `surviving`, these steps run
    on what is drawn, and more is drawn for what they drop, so that `count` survive. With `ids_from`, a file in LLaVA's
    own form, the conversations whose image (or id, without an image) it holds are taken instead of a draw.
    """
    if (count is None) == (fraction is None):
        raise RecipeError("give either count or fraction")
    pool = list(conversations)
    for i, conversation in enumerate(pool):
        conversation.position = i
    if ids_from is not None and pool:
        kept = _named(pool, tally, Path(ids_from), surviving)
    else:
        wanted = count if count is not None else round(len(pool) * (fraction or 0))
        kept = _drawn(pool, tally, wanted, Draw(seed, purpose="sample"), surviving)
    yield from sorted(kept, key=lambda conversation: conversation.position)


def _drawn(pool: list[Conversation], tally: Tally, wanted: int, draw: Draw, surviving: Steps) -> list[Conversation]:
    """`wanted` conversations that survive, visited by rank; no more is visited than is needed."""
    ranked = draw.order(pool, key=_rank_key)
    kept: list[Conversation] = []
    visited = 0
    while len(kept) < wanted and visited < len(ranked):
        more = ranked[visited : visited + wanted - len(kept)]
        visited += len(more)
        survivors = list(surviving(more))
        if len(survivors) > len(more):
            raise RecipeError(
                f"sample: surviving: {len(survivors)} conversations made of {len(more)}, expected at most as many; "
                "put steps that give more behind the sample"
            )
        kept.extend(survivors)
    _leave(ranked[visited:], tally, "not drawn")
    return kept


def _rank_key(conversation: Conversation) -> str:
    if not conversation.several:
        return conversation.id
    return "/".join([conversation.id, *(pair.origin for pair in conversation.pairs[:1]), *conversation.history])


def _named(pool: list[Conversation], tally: Tally, path: Path, surviving: Steps) -> list[Conversation]:
    """The conversations that a file in LLaVA's form names; the ids that are not there or do not survive are noted."""
    reference = Reference.load(path)
    wanted = reference.names(pool)
    chosen = [conversation for conversation in pool if reference.name(conversation) in wanted]
    _leave([c for c in pool if reference.name(c) not in wanted], tally, f"not in {path.name}")
    kept = list(surviving(chosen))
    for name in sorted(wanted - {reference.name(conversation) for conversation in kept}):
        tally.note("not found", name, limit=None)
    return kept


def _leave(conversations: list[Conversation], tally: Tally, reason: str) -> None:
    pairs = sum(len(conversation.pairs) for conversation in conversations)
    tally.change(reason, conversations=-len(conversations), pairs=-pairs)


@step
def repeat(conversations: Iterable[Conversation], tally: Tally, *, times: Positive) -> Iterator[Conversation]:
    """Give each conversation `times` times, one copy behind the other."""
    for conversation in conversations:
        tally.change("repeated", conversations=times - 1, pairs=(times - 1) * len(conversation.pairs))
        for k in range(times):
            pairs = [Pair(pair.question, pair.answer, pair.origin) for pair in conversation.pairs]
            yield derive(conversation, pairs, done=f"copy {k}", several=True)


@step
def split(conversations: Iterable[Conversation], tally: Tally, *, max_pairs: Positive) -> Iterator[Conversation]:
    """Cut conversations into segments of at most `max_pairs` pairs, in order."""
    for conversation in conversations:
        pairs = conversation.pairs
        starts = range(0, len(pairs), max_pairs)
        tally.change("split", conversations=len(starts) - 1)
        for start in starts:
            segment = pairs[start : start + max_pairs]
            done = f"pairs {start}-{start + len(segment) - 1}"
            yield derive(conversation, segment, done=done, several=True)


@step
def drop_by_length(
    conversations: Iterable[Conversation],
    tally: Tally,
    *,
    min_pairs: int = 1,
    max_pairs: int | None = None,
    min_chars: int = 0,
    max_chars: int | None = None,
) -> Iterator[Conversation]:
    """Drop conversations with fewer or more pairs, or characters in questions and answers, than said."""
    for conversation in conversations:
        pairs = len(conversation.pairs)
        chars = sum(len(pair.question) + len(pair.answer) for pair in conversation.pairs)
        if pairs < min_pairs:
            tally.drop(f"under {min_pairs} pairs", conversation.id, pairs=pairs)
        elif max_pairs is not None and pairs > max_pairs:
            tally.drop(f"over {max_pairs} pairs", conversation.id, pairs=pairs)
        elif chars < min_chars:
            tally.drop(f"under {min_chars} characters", conversation.id, pairs=pairs)
        elif max_chars is not None and chars > max_chars:
            tally.drop(f"over {max_chars} characters", conversation.id, pairs=pairs)
        else:
            yield conversation


@step
def drop_by_pattern(
    conversations: Iterable[Conversation],
    tally: Tally,
    *,
    pattern: str,
    field: Literal["question", "answer", "any"] = "any",
) -> Iterator[Conversation]:
    """Drop conversations in which a regular expression is found in a question, an answer or either."""
    try:
        found = re.compile(pattern).search
    except re.error as error:
        raise RecipeError(f"pattern: {pattern!r} is not a regular expression: {error}") from None
    for conversation in conversations:
        if any(
            (field != "answer" and found(pair.question)) or (field != "question" and found(pair.answer))
            for pair in conversation.pairs
        ):
            tally.drop(f"matches {pattern!r}", conversation.id, pairs=len(conversation.pairs))
        else:
            yield conversation
