"""Tallies and runs: whatever happens, the funnel adds up."""

from typing import Any

import pytest

from mix665k.builders.funnel import MAX_EXAMPLES, Tally
from mix665k.builders.registry import SOURCES
from tests.builders.building import build, flow, talk


def test_a_tally_counts_what_enters_changes_and_leaves() -> None:
    tally = Tally("read")
    tally.enter(3, pairs=7)
    tally.drop("empty", "x", pairs=2)
    tally.change("merged", conversations=-1)
    tally.change("nothing")
    tally.leave(talk("a", *[("q", "a")] * 5))

    summary = tally.summary()

    assert summary.conversations == flow(3, 1, empty=-1, merged=-1)
    assert summary.pairs == flow(7, 5, empty=-2)
    assert summary.conversations.adds_up()
    assert summary.pairs.adds_up()
    assert summary.examples == {"empty": ["x"]}


def test_what_is_not_explained_does_not_add_up_until_it_is_balanced() -> None:
    tally = Tally("read")
    tally.enter(5, pairs=9)
    tally.leave(talk("a", ("q", "a")))

    assert not tally.summary().conversations.adds_up()
    tally.balance("beyond --limit")
    assert tally.summary().conversations == flow(5, 1, **{"beyond_--limit": -4})
    assert tally.summary().pairs == flow(9, 1, **{"beyond_--limit": -8})


def test_only_some_examples_are_kept_unless_all_are_asked_for() -> None:
    tally = Tally("read")
    for i in range(MAX_EXAMPLES + 5):
        tally.drop("empty", str(i))
        tally.note("seen", str(i))
        tally.note("not found", str(i), limit=None)

    summary = tally.summary()

    assert summary.examples["empty"] == [str(i) for i in range(MAX_EXAMPLES)]
    assert len(summary.examples["seen"]) == MAX_EXAMPLES
    assert len(summary.examples["not found"]) == MAX_EXAMPLES + 5
    assert summary.noted == {"seen": 15, "not found": 15}


def test_an_inner_steps_changes_count_outside_under_its_name() -> None:
    tally = Tally("sample")
    inner = tally.inner("truncate").inner("deep")
    inner.drop("too long", "x", pairs=3)
    inner.note("cut", "y")

    summary = tally.summary()

    assert summary.conversations.changes == {"truncate: deep: too long": -1}
    assert summary.pairs.changes == {"truncate: deep: too long": -3}
    assert summary.noted == {"truncate: deep: cut": 1}


STEPS: list[Any] = [
    {"drop_by_pattern": {"pattern": "kite"}},
    {"repeat": {"times": 3}},
    {"split": {"max_pairs": 2}},
    "merge_by_image",
    {"add_prompt": {"text": "Be brief."}},
    {"drop_by_length": {"max_chars": 600}},
    {"sample": {"fraction": 0.6, "surviving": ["merge_by_image", {"truncate": {"max_tokens": 900, "at": "inside"}}]}},
    {"sample": {"count": 3}},
]


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_the_funnel_adds_up_through_all_steps(source: str) -> None:
    funnel = build(source, steps=STEPS).funnel

    assert len(funnel) == len(STEPS) + 1


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_limit_gives_the_first_conversations_and_adds_up(source: str, limit: int) -> None:
    whole = build(source).conversations

    limited = build(source, limit=limit, steps=["merge_by_image"] if source == "gqa" else [])

    if source != "gqa":
        assert limited.conversations == whole[:limit]
    beyond = limited.funnel[0].conversations.changes.get("beyond --limit", 0)
    assert (beyond != 0) == (limit < len(whole))
