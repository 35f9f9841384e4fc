"""Some of the conversations: drawn by rank, or those that a published file names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import tee
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from mix665k.builders.bind import Steps
from mix665k.builders.draw import Draw
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.drop import num_chars
from mix665k.builders.steps.published_ids import PublishedIds, published_id
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.manifest import NOT_FOUND, TOO_FEW

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Prefer = Literal["drawn", "first", "shortest", "longest"]


class Chosen(NamedTuple):
    """What of one piece of a source a draw takes: the ranks below `limit`, and of the ranks equal to it the first ones.

    Where the draw came out too small in all, `few` says so; the piece that has it notes it.
    """

    limit: tuple[int, int]
    equal: int
    few: str = ""


@step(needs="draw")
def sample(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    seed: int,
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    fraction: Share | None = None,
    at_most: bool = False,
    prefer: Prefer = "drawn",
    draws_from: str | None = None,
    surviving: Steps,
) -> Iterator[Conversation]:
    """Draw `count` conversations, or a `fraction` of them, and keep their order.

    Each has a rank that only the seed and its id decide (where one raw id gives several conversations: also the origin
    of the first pair and the steps before); the lowest ranks are drawn. `prefer` takes the `first` of the raw file
    instead, or those with the fewest or most characters, of which equal ones go by rank. With `surviving`, these steps
    run on what is drawn, and more is drawn for what they drop, so that `count` survive. With `draws_from`, a file in
    LLaVA's own form, the conversations whose image (or id, without an image) it holds are taken instead of a draw.
    Fewer than `count` are an error, unless it is `at_most`.
    """
    if (count is None) == (fraction is None):
        raise RecipeError("give either count or fraction")
    pool = list(conversations)
    for i, conversation in enumerate(pool):
        conversation.position = i
    if draws_from is not None and pool:
        kept = _published(pool, Path(draws_from), funnel=funnel, surviving=surviving)
    else:
        wanted = wanted_of(len(pool), {"count": count, "fraction": fraction})
        ranked = Draw(seed, purpose="sample").order(pool, key=rank_key)
        ranked.sort(key=_PREFERENCES[prefer])
        kept = _drawn(ranked, wanted, funnel=funnel, surviving=surviving)
        if len(kept) < wanted and pool and not at_most:
            funnel.note(TOO_FEW, f"{len(kept):,} of {wanted:,} conversations")
    yield from sorted(kept, key=lambda conversation: conversation.position)


def in_pieces(params: Mapping[str, Any], inner: Mapping[str, Sequence[object]]) -> bool:
    """Whether ranks alone decide what a draw with these parameters takes: no file does, nor what comes of the drawn."""
    return params["draws_from"] is None and not inner["surviving"]


def ranks(conversations: Iterable[Conversation], params: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """What decides which of some conversations are drawn: the lowest, and of equal ones the first.

    With `prefer: first` the place among those given, so the caller has to know how many came before.
    """
    draw, prefer = Draw(params["seed"], purpose="sample"), params["prefer"]
    for i, conversation in enumerate(conversations):
        conversation.position = i
        yield _PREFERENCES[prefer](conversation), 0 if prefer == "first" else draw.rank(rank_key(conversation))


def drawn(
    conversations: Iterable[Conversation], funnel: StepFunnel, *, params: Mapping[str, Any], chosen: Chosen
) -> Iterator[Conversation]:
    """Those of one piece that are drawn, in their order."""
    first, again = tee(conversations)
    equal = chosen.equal
    for conversation, rank in zip(first, ranks(again, params), strict=True):
        equal -= rank == chosen.limit
        if rank < chosen.limit or (rank == chosen.limit and equal >= 0):
            yield conversation
        else:
            _leave_out([conversation], funnel, "not drawn")
    if chosen.few:
        funnel.note(TOO_FEW, chosen.few)


def wanted_of(number: int, params: Mapping[str, Any]) -> int:
    """How many of so many a draw with these parameters is to take."""
    count, fraction = params["count"], params["fraction"]
    return int(count if count is not None else round(number * (fraction or 0)))


_PREFERENCES: dict[Prefer, Callable[[Conversation], int]] = {
    "drawn": lambda _: 0,
    "first": lambda conversation: conversation.position,
    "shortest": lambda conversation: num_chars(conversation),
    "longest": lambda conversation: -num_chars(conversation),
}


def _drawn(ranked: list[Conversation], wanted: int, *, funnel: StepFunnel, surviving: Steps) -> list[Conversation]:
    """The first `wanted` conversations that survive.

    No more are visited than are needed, because tokenising is slow: ShareGPT's 40,688 take about half of the pool. The
    result is that of truncating all and taking the first survivors.
    """
    kept: list[Conversation] = []
    visited = 0
    while len(kept) < wanted and visited < len(ranked):
        more = ranked[visited : visited + wanted - len(kept)]
        visited += len(more)
        survivors = list(surviving(more))
        if len(survivors) > len(more):
            raise RecipeError(
                f"sample: surviving: {len(survivors)} conversations made of {len(more)}, expected at most as many; "
                "put steps that give more after the sample"
            )
        kept.extend(survivors)
    _leave_out(ranked[visited:], funnel, "not drawn")
    return kept


def rank_key(conversation: Conversation) -> str:
    """What the rank of a conversation is of: its id, and what tells conversations of one raw id apart."""
    if not conversation.several:
        return conversation.id
    return "/".join([conversation.id, *(pair.origin for pair in conversation.pairs[:1]), *conversation.history])


def _published(pool: list[Conversation], path: Path, *, funnel: StepFunnel, surviving: Steps) -> list[Conversation]:
    """The conversations that a file in LLaVA's form names; ids that are not there or do not survive are noted."""
    published = PublishedIds.load(path)
    wanted = published.of_source(pool)
    _leave_out([c for c in pool if published_id(c) not in wanted], funnel, f"not in {path.name}")
    kept = list(surviving([c for c in pool if published_id(c) in wanted]))
    for identifier in sorted(wanted - {published_id(conversation) for conversation in kept}):
        funnel.note(NOT_FOUND, identifier, limit=None)
    return kept


def _leave_out(conversations: list[Conversation], funnel: StepFunnel, reason: str) -> None:
    pairs = sum(len(conversation.pairs) for conversation in conversations)
    funnel.drop(reason, kind="chosen", conversations=len(conversations), pairs=pairs)
