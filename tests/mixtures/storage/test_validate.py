"""What is wrong with a record: said by the published schema first, then by what a schema cannot say."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.storage.parquet import from_dicts, name, read_shard, to_dicts, to_rows
from mix665k.mixtures.storage.validate import RecordCheck, explain, suspects, writes_boxes
from mix665k.schemas.conversation import Conversation, Pair

CHECK = RecordCheck()
SOUND: dict[str, Any] = {
    "id": "gqa/1",
    "source": "gqa",
    "image": "a.jpg",
    "conversations": [{"from": "human", "value": "<image>\na"}, {"from": "gpt", "value": "b"}],
    "origins": ["1"],
    "steps": [],
    "reference_id": "1",
}


def said(*values: str) -> dict[str, Any]:
    """A row with these turns."""
    turns = [{"from": "gpt" if k % 2 else "human", "value": value} for k, value in enumerate(values)]
    return SOUND | {"conversations": turns, "origins": ["1"] * (len(turns) // 2)}


def test_a_sound_row_has_no_fault() -> None:
    assert CHECK.row(SOUND, boxes=True) is None
    assert CHECK.row(said("a\n<image>", "b", "c", "d"), boxes=True) is None
    assert CHECK.row(said("a", "b") | {"image": None}, boxes=True) is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (SOUND | {"id": "gqa"}, r"$.id: 'gqa' does not match '^\\w+/.+$'"),
        (SOUND | {"source": "g q"}, r"$.source: 'g q' does not match '^\\w+$'"),
        (SOUND | {"image": ""}, "$.image: '' should be non-empty"),
        (SOUND | {"more": 1}, "$: Additional properties are not allowed ('more' was unexpected)"),
        ({key: value for key, value in SOUND.items() if key != "steps"}, "$: 'steps' is a required property"),
        (SOUND | {"reference_id": 1}, "$.reference_id: 1 is not of type 'string'"),
        (
            said("<image>\na") | {"origins": ["1"]},
            "$.conversations: [{'from': 'human', 'value': '<image>\\na'}] is too short",
        ),
        (said("<image>\na", ""), "$.conversations[1].value: '' should be non-empty"),
        (said("<image>\na", "b", "c") | {"origins": ["1"]}, "$.origins: 1 of them for 3 turns, expected one per pair"),
        (SOUND | {"origins": ["1", "2"]}, "$.origins: 2 of them for 2 turns, expected one per pair"),
        (
            SOUND | {"conversations": SOUND["conversations"][::-1]},
            "$.conversations[0].from: 'gpt', expected human and gpt in turn",
        ),
        (said("a", "b"), "0 <image> in the human turns, expected 1"),
        (said("<image>\na", "<image>"), "1 <image> in turn 1, expected 0"),
        (said("<image>\na", "[0.1, 0.2, 0.3, 1.5]"), "turn 1 holds a box outside 0..1: '[0.1, 0.2, 0.3, 1.5]'"),
    ],
)
def test_a_fault_is_explained(row: dict[str, Any], why: str) -> None:
    assert CHECK.row(row, boxes=True) == why


def test_boxes_are_judged_only_where_a_source_writes_them() -> None:
    pixels = said("<image>\na", "[12.5, 30.0, 200.0, 220.0]")
    assert CHECK.row(pixels, boxes=False) is None
    assert [name for name in ("vg", "refcoco", "llava_json", "textcaps", "mine") if writes_boxes(name)] == [
        "vg",
        "refcoco",
    ]


def test_an_id_that_ends_in_a_line_break_is_explained() -> None:
    assert CHECK.row(SOUND | {"id": "gqa/1\n"}, boxes=False) == "$.id: 'gqa/1\\n' ends in a line break, expected none"


def test_an_explanation_that_is_not_asked_for_costs_nothing() -> None:
    assert (
        CHECK.row(SOUND | {"image": ""}, explained=False, boxes=True)
        == "does not agree with the schema of conversations"
    )
    assert CHECK.row(said("a", "b"), explained=False, boxes=True) == "0 <image> in the human turns, expected 1"
    assert explain(SOUND | {"source": ""}).startswith("$.source: ")


TEXT = st.sampled_from(["a", "", " ", "<image>", "[0.5, 0.5, 0.5, 1.5]"])
CONVERSATION = st.builds(
    Conversation,
    id=st.sampled_from(["1", "", "a\nb"]),
    image=st.sampled_from([None, "a.jpg", ""]),
    pairs=st.lists(st.builds(Pair, question=TEXT, answer=TEXT, origin=st.just("1")), max_size=2),
    history=st.lists(st.sampled_from(["x", ""]), max_size=1).map(tuple),
)


@settings(deadline=None)
@given(st.lists(CONVERSATION, max_size=5))
def test_conversations_are_judged_as_the_rows_they_become(conversations: list[Conversation]) -> None:
    records = [name(f"gqa/{one.id}", one) for one in conversations]
    rows = to_dicts(to_rows("gqa", records))
    judged = [CHECK.record(record, source="gqa", boxes=True) for record in records]
    assert judged == [CHECK.row(row, boxes=True) for row in rows]
    faulty = {k for k, why in enumerate(judged) if why}
    assert faulty <= set(suspects(from_dicts(rows), source="gqa"))


def test_a_mixture_that_was_built_is_sound(tiny_mixture: Path) -> None:
    for shard in (tiny_mixture / "data").glob("*.parquet"):
        for rows in read_shard(shard):
            assert [why for row in to_dicts(rows) if (why := CHECK.row(row, boxes=True))] == []
