"""What a manifest says of a funnel, and what of it was left out."""

from typing import Any

import pytest

from mix665k.schemas.manifest import Change, Flow, FunnelStep, LeftOut, SourceEntry, changes, funnel_fault, left_out

READ = FunnelStep(
    "read",
    Flow(9, 5, {"empty": -2, "split val": -1, "merged": -1}),
    Flow(20, 14, {"empty": -4, "odd": -2}),
    kinds={"empty": "lost", "split val": "chosen", "merged": "merged", "odd": "lost"},
    examples={"empty": ["a", "b"]},
)
SAMPLE = FunnelStep(
    "sample",
    Flow(5, 4, {"empty": -1}),
    Flow(14, 13, {"empty": -1}),
    kinds={"empty": "lost"},
    noted={"not found": 12},
)


def _entry(*steps: FunnelStep, conversations: int = 4, pairs: int = 13, **facts: Any) -> SourceEntry:
    """A source with this funnel."""
    about: dict[str, Any] = {"name": "mine", "source": "llava_json", "key": "", "inputs": [], "params": {}, "steps": []}
    return SourceEntry(**about, funnel=[*steps], conversations=conversations, pairs=pairs, shards=[], **facts)


def _rows(entry: SourceEntry) -> list[tuple[str, str, str, int, int]]:
    return [(row.step, row.reason, row.kind, row.conversations, row.pairs) for row in left_out(entry)]


def test_what_is_lost_or_not_chosen_is_left_out_by_step_and_what_is_merged_is_not() -> None:
    assert _rows(_entry(READ, SAMPLE)) == [
        ("read", "empty", "lost", 2, 4),
        ("read", "split val", "chosen", 1, 0),
        ("read", "odd", "lost", 0, 2),
        ("sample", "empty", "lost", 1, 1),
    ]
    assert left_out(_entry(READ))[0].examples == ["a", "b"]


@pytest.mark.parametrize("kind", ["merged", "split", "repeated"])
def test_what_is_regrouped_is_not_left_out(kind: Any) -> None:
    step = FunnelStep("steps", Flow(9, 8, {kind: -1}), Flow(9, 9), kinds={kind: kind})
    assert left_out(_entry(step)) == []
    assert list(changes([step])) == [Change("steps", kind, kind, -1, 0, [])]


def test_ids_that_were_not_found_come_last_and_some_of_them_are_named() -> None:
    missing = [str(i) for i in range(12)]
    assert left_out(_entry(READ, SAMPLE, not_found=missing))[-1] == LeftOut(
        step="sample",
        reason="asked for by id, not found",
        kind="lost",
        conversations=12,
        pairs=0,
        examples=missing[:10],
    )


def test_a_funnel_that_adds_up_has_no_fault() -> None:
    assert funnel_fault(_entry(READ, SAMPLE)) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kinds": {"empty": "lost"}}, "does not say what kind of change 'split val' is at read"),
        ({"conversations": Flow(9, 5, {"empty": -3})}, "does not add up at read: 9 -3 conversations are not 5"),
        ({"pairs": Flow(13, 14, {"merged": 1})}, None),
        ({"pairs": Flow(20, 15, {"empty": -5})}, "breaks: 15 pairs leave read, 14 enter sample"),
    ],
)
def test_a_funnel_with_a_fault_says_where(change: dict[str, Any], why: str | None) -> None:
    facts = {name: getattr(READ, name) for name in READ.__struct_fields__} | change
    found = funnel_fault(_entry(FunnelStep(**facts), SAMPLE))
    assert found == (why and f"the funnel {why}")


def test_a_funnel_ends_at_the_numbers_of_its_source() -> None:
    assert funnel_fault(_entry(READ, SAMPLE, pairs=12)) == "the funnel does not end at the 12 pairs of the source"
