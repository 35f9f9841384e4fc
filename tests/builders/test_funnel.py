"""Funnels add up, whatever happens between the raw files and the conversations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.builders.funnel import Dropped, Regrouped, StepFunnel
from mix665k.builders.registry import SOURCES
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.manifest import MAX_EXAMPLES
from tests.builders.building import build, flow, talk


def test_a_step_funnel_counts_what_enters_changes_and_leaves() -> None:
    funnel = StepFunnel("read")
    for pairs in (4, 1, 2):
        funnel.enter(pairs=pairs)
    funnel.drop("empty", "x", pairs=2)
    funnel.drop("not drawn", kind="chosen", conversations=0, pairs=0)
    funnel.regroup("merged", conversations=-1)
    funnel.leave(talk("a", *[("q", "a")] * 5))

    summary = funnel.summary()

    assert summary.conversations == flow(3, 1, empty=-1, merged=-1)
    assert summary.pairs == flow(7, 5, empty=-2)
    assert summary.conversations.adds_up()
    assert summary.pairs.adds_up()
    assert summary.kinds == {"empty": "lost", "merged": "merged"}
    assert summary.examples == {"empty": ["x"]}


def test_a_reason_has_one_kind() -> None:
    funnel = StepFunnel("read")
    funnel.drop("empty", "x")
    with pytest.raises(AssertionError, match="empty"):
        funnel.drop("empty", "y", kind="chosen")


def _yielded(*sizes: int) -> list[Conversation | Dropped | Regrouped]:
    """Conversations of so many pairs; a drop of two pairs where a size is 0, a merging where it is -1."""
    special: dict[int, Dropped | Regrouped] = {
        0: Dropped("empty", "x", pairs=2),
        -1: Regrouped("merged", conversations=-1),
    }
    return [special.get(size) or talk(str(i), *[("q", "a")] * size) for i, size in enumerate(sizes)]


@given(st.lists(st.integers(-1, 3)), st.none() | st.integers(0, 4))
def test_what_a_source_yields_adds_up_with_and_without_a_limit(sizes: list[int], limit: int | None) -> None:
    funnel = StepFunnel("read")
    for size in sizes:
        funnel.enter(pairs={0: 2, -1: 0}.get(size, size))

    left = list(funnel.built(_yielded(*sizes), limit=limit))

    summary = funnel.summary()
    whole = [size for size in sizes if size > 0]
    assert [len(conversation.pairs) for conversation in left] == whole[:limit]
    assert summary.conversations.adds_up()
    assert summary.pairs.adds_up()
    assert ("beyond --limit" in summary.kinds) == (limit is not None and limit < len(whole))


def test_a_limit_stops_a_source_that_would_go_on() -> None:
    funnel = StepFunnel("read")
    read: list[int] = []

    def endless() -> Any:
        while True:
            read.append(len(read))
            funnel.enter()
            yield talk(str(len(read)), ("q", "a"))

    assert len(list(funnel.built(endless(), limit=3))) == 3
    assert len(read) == 4  # one more shows that there is more
    assert funnel.summary().conversations == flow(4, 3, **{"beyond_--limit": -1})
    assert funnel.summary().kinds == {"beyond --limit": "chosen"}


def test_only_some_examples_are_kept_unless_all_are_asked_for() -> None:
    funnel = StepFunnel("read")
    for i in range(MAX_EXAMPLES + 5):
        funnel.drop("empty", str(i))
        funnel.note("seen", str(i))
        funnel.note("not found", str(i), limit=None)

    summary = funnel.summary()

    assert summary.examples["empty"] == [str(i) for i in range(MAX_EXAMPLES)]
    assert len(summary.examples["seen"]) == MAX_EXAMPLES
    assert len(summary.examples["not found"]) == MAX_EXAMPLES + 5
    assert summary.noted == {"seen": 15, "not found": 15}


def test_an_inner_steps_changes_count_outside_under_its_name() -> None:
    funnel = StepFunnel("sample")
    inner = funnel.inner("truncate").inner("deep")
    inner.drop("too long", "x", pairs=3)
    inner.note("cut", "y")

    summary = funnel.summary()

    assert summary.conversations.changes == {"truncate: deep: too long": -1}
    assert summary.pairs.changes == {"truncate: deep: too long": -3}
    assert summary.kinds == {"truncate: deep: too long": "lost"}
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
