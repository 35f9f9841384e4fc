"""The conversations that together fit a budget of pairs, characters or tokens; `sample` draws a number of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated

import msgspec

from mix665k.builders.draw import Draw
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.sample import rank_key
from mix665k.builders.steps.truncate import texts
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.manifest import TOO_FEW
from mix665k.schemas.tokens import TokenCounter

_BATCH = 512
_TEMPLATE = "v1"
Size = Annotated[int, msgspec.Meta(ge=1)]


@step()
def keep_budget(
    conversations: Iterable[Conversation],
    funnel: StepFunnel,
    *,
    seed: int,
    pairs: Size | None = None,
    characters: Size | None = None,
    tokens: Size | None = None,
    tokenizer: str | None = None,
    at_most: bool = False,
) -> Iterator[Conversation]:
    """Draw conversations that together have at most so many `pairs`, `characters` or `tokens`, and keep their order.

    They are drawn by the ranks of `sample`, up to the first that would be over the budget, so a larger budget gives
    what a smaller one gives and more. Tokens are those of template v1, with an image's 576, as in a recipe's `balance`.
    A budget of more than there is, is an error, unless it is `at_most`.
    """
    given = {"pairs": pairs, "characters": characters, "tokens": tokens}
    asked = {unit: size for unit, size in given.items() if size is not None}
    if len(asked) != 1:
        raise RecipeError("give one of pairs, characters and tokens")
    [(unit, budget)] = asked.items()
    if unit == "tokens" and tokenizer is None:
        raise RecipeError("no tokenizer is given to count tokens with; set it here or for the whole recipe")
    pool = list(conversations)
    places = Draw(seed, purpose="sample").order(range(len(pool)), key=lambda i: rank_key(pool[i]))
    kept, total = set[int](), 0
    for i, size in zip(places, _sizes([pool[i] for i in places], unit, tokenizer), strict=True):
        total += size
        if total > budget:
            break
        kept.add(i)
    if total < budget and pool and not at_most:
        funnel.note(TOO_FEW, f"{total:,} of {budget:,} {unit}")
    for i, one in enumerate(pool):
        if i in kept:
            yield one
        else:
            funnel.drop("not drawn", one.id, kind="chosen", pairs=len(one.pairs))


def _sizes(ranked: Sequence[Conversation], unit: str, tokenizer: str | None) -> Iterator[int]:
    """The size of each, as it is asked for: counting tokens is slow, and most lie beyond the budget."""
    counter = TokenCounter(tokenizer, _TEMPLATE) if unit == "tokens" and tokenizer else None
    stream = iter(ranked)
    while found := list(islice(stream, _BATCH)):
        batch = [texts(one) for one in found]
        if counter is not None:
            yield from (ends[-1] for ends in counter.ends(batch, systems=[one.system for one in found]))
        elif unit == "pairs":
            yield from map(len, batch)
        else:
            yield from (sum(len(question) + len(answer) for question, answer in pairs) for pairs in batch)
