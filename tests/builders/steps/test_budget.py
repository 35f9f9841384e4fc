"""Draws up to a budget of pairs, characters or tokens."""

from typing import Any

import pytest

from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.manifest import TOO_FEW
from mix665k.schemas.tokens import TOKENS_PER_IMAGE, TokenCounter
from tests.builders.building import build, flow, run_step, talk


def _talks(names: str = "abcdefghij", *, image: str | None = None) -> list[Conversation]:
    """The first has one pair of ten characters, the second two, and so on."""
    return [talk(name, *[("quest", "reply")] * number, image=image) for number, name in enumerate(names, 1)]


def _drawn(talks: list[Conversation], **budget: Any) -> list[str]:
    return [one.id for one in run_step("keep_budget", talks, seed=665, **budget).conversations]


def _ranked() -> list[str]:
    """The ids by rank: a sample of so many holds one more than a sample of one less."""
    seen: list[str] = []
    for count in range(1, 11):
        drawn = [one.id for one in run_step("sample", _talks(), seed=665, count=count).conversations]
        seen += [name for name in drawn if name not in seen]
    return seen


@pytest.mark.parametrize(("unit", "each"), [("pairs", 1), ("characters", 10)])
def test_the_lowest_ranks_that_fit_are_drawn_and_keep_their_order(unit: str, each: int) -> None:
    ranked, sizes = _ranked(), {name: number * each for number, name in enumerate("abcdefghij", 1)}
    exact = sum(sizes[name] for name in ranked[:4])

    assert _drawn(_talks(), **{unit: exact}) == sorted(ranked[:4])
    assert _drawn(_talks(), **{unit: exact - 1}) == sorted(ranked[:3])
    assert _drawn(_talks()[::-1], **{unit: exact}) == sorted(ranked[:4], reverse=True)


def test_tokens_are_those_of_the_template_with_the_images() -> None:
    talks = _talks("ab", image="a.jpg")
    text = [("<image>\nquest", "reply"), ("quest", "reply")]
    one, two = (TokenCounter("tiny", "v1").ends([text[:number]])[0][-1] for number in (1, 2))

    assert one > TOKENS_PER_IMAGE
    assert _drawn(talks, tokens=one + two, tokenizer="tiny") == ["a", "b"]
    assert len(_drawn(talks, tokens=one + two - 1, tokenizer="tiny")) == 1


def test_what_is_not_drawn_is_counted_with_its_pairs() -> None:
    [step] = run_step("keep_budget", _talks("aa"), seed=1, pairs=2).funnel

    assert (step.conversations, step.pairs) == (flow(2, 1, not_drawn=-1), flow(3, 1, not_drawn=-2))


def test_more_than_there_is_is_noted_unless_it_is_meant() -> None:
    asked = run_step("keep_budget", _talks("abc"), seed=1, pairs=7)
    assert asked.funnel[0].examples[TOO_FEW] == ["6 of 7 pairs"]
    assert TOO_FEW not in run_step("keep_budget", _talks("abc"), seed=1, pairs=7, at_most=True).funnel[0].noted
    assert TOO_FEW not in run_step("keep_budget", _talks("abc"), seed=1, pairs=6).funnel[0].noted


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "give one of pairs, characters and tokens"),
        ({"pairs": 1, "tokens": 1}, "give one of pairs, characters and tokens"),
        ({"pairs": 0}, "pairs"),
    ],
)
def test_a_budget_that_says_nothing_is_one_line(params: dict[str, Any], why: str) -> None:
    with pytest.raises(RecipeError, match=f"okvqa: keep_budget: .*{why}"):
        build("okvqa", steps=[{"keep_budget": params}])


def test_tokens_are_not_counted_without_a_tokenizer() -> None:
    with pytest.raises(RecipeError, match="no tokenizer is given to count tokens with; set it here or for the whole"):
        run_step("keep_budget", _talks(), seed=1, tokens=5)
