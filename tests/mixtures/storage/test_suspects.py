"""No record with a fault escapes the quick look for suspects."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.llava_records import LlavaRecord, Said
from mix665k.mixtures.storage.llava_json import LABEL, to_rows
from mix665k.mixtures.storage.parquet import from_dicts, read_shard, to_dicts
from mix665k.mixtures.storage.validate import RecordCheck, suspects

CHECK = RecordCheck()
TEXTS = st.one_of(
    st.sampled_from(
        ["<image>\na", "a\n<image>", "<image><image>", "a", "", " ", "\x1c", "\u2003", "a [0.1, 0.2, 0.3, 0.4]"]
    ),
    st.builds(
        "<image>\n[{}, {}, {}, {}]".format, *[st.sampled_from(["0.5", "1.0", "1.1", "-0.1", "\u0660.\u0665", "1"])] * 4
    ),
    st.text(max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            LlavaRecord,
            id=st.one_of(st.text(max_size=3), st.integers()),
            image=st.one_of(st.none(), st.just("a.jpg"), st.text(max_size=2)),
            conversations=st.lists(st.builds(Said, role=st.sampled_from(["human", "gpt"]), value=TEXTS), max_size=4),
        ),
        max_size=4,
    )
)
def test_every_faulty_record_of_a_file_is_a_suspect(records: list[LlavaRecord]) -> None:
    placed = list(enumerate(records))
    rows = to_rows(placed)
    faulty = {place for place, row in enumerate(to_dicts(rows)) if CHECK.row(row, boxes=True)}
    assert faulty <= set(suspects(rows, source=LABEL))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "gqa"},
        {"id": "other/1"},
        {"id": "gqa/1\n"},
        {"source": "vqa"},
        {"id": "vqa/1", "source": "vqa"},
        {"image": ""},
        {"image": None},
        {"origins": []},
        {"origins": ["a", "b"]},
        {"origins": [None]},
        {"steps": [None]},
        {"conversations": []},
        {"conversations": [{"from": "human", "value": "<image>\na"}]},
        {"conversations": [{"from": "gpt", "value": "<image>\na"}, {"from": "human", "value": "b"}]},
        {"conversations": [{"from": "human", "value": "<image>\na"}, {"from": "gpt", "value": None}]},
        {"conversations": [{"from": "human", "value": "<image>\na"}, {"from": "gpt", "value": "<image>"}]},
    ],
)
def test_a_row_with_a_fault_is_the_only_suspect(changes: dict[str, Any]) -> None:
    sound = {
        "id": "gqa/1",
        "source": "gqa",
        "image": "a.jpg",
        "conversations": [{"from": "human", "value": "<image>\na"}, {"from": "gpt", "value": "[0.1, 0.2, 0.3, 1.0]"}],
        "origins": ["1"],
        "steps": [],
        "reference_id": "1",
    }
    assert suspects(from_dicts([sound, sound | changes, sound]), source="gqa") == [1]


def test_no_record_of_a_built_mixture_is_a_suspect(tiny_mixture: Path) -> None:
    for shard in (tiny_mixture / "data").glob("*.parquet"):
        for rows in read_shard(shard):
            assert suspects(rows, source=shard.name.partition("-")[0]) == []


def test_records_of_a_file_become_rows() -> None:
    said = [Said("human", "<image>\na"), Said("gpt", "b"), Said("human", "c"), Said("gpt", "d")]
    rows = to_rows([(5, LlavaRecord(7, said, "a.jpg")), (6, LlavaRecord("x", [], None))])
    assert to_dicts(rows) == [
        {
            "id": "file/7",
            "source": "file",
            "image": "a.jpg",
            "more_images": None,
            "system": None,
            "conversations": [
                {"from": "human", "value": "<image>\na"},
                {"from": "gpt", "value": "b"},
                {"from": "human", "value": "c"},
                {"from": "gpt", "value": "d"},
            ],
            "origins": ["$[5]", "$[5]"],
            "steps": [],
            "reference_id": "7",
        },
        {
            "id": "file/x",
            "source": "file",
            "image": None,
            "more_images": None,
            "system": None,
            "conversations": [],
            "origins": [],
            "steps": [],
            "reference_id": "x",
        },
    ]
