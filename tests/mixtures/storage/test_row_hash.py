"""The row hash by its own description: the same whatever wrote the rows, and pinned, as every golden rests on it."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.storage.integrity import record_faults, require_file, require_valid, whole_rows
from mix665k.mixtures.storage.llava_json import WHOLE_NUMBER, published_id
from mix665k.mixtures.storage.parquet import (
    DICTIONARIES,
    SCHEMA,
    Filling,
    RowHash,
    ShardWriter,
    from_dicts,
    name,
    read_shard,
    to_dicts,
    to_rows,
)
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.schemas.conversation import Conversation, Pair
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import load_manifest
from mix665k.schemas.shards import OPTIONAL
from tests.mixtures.small import change_rows

ROWS: list[dict[str, Any]] = [
    {
        "id": "gqa/1",
        "source": "gqa",
        "image": "gqa/images/1.jpg",
        "conversations": [{"from": "human", "value": "<image>\nWho?"}, {"from": "gpt", "value": "Zoë 红"}],
        "origins": ["1"],
        "steps": [],
        "reference_id": "1",
    },
    {
        "id": "gqa/2#0",
        "source": "gqa",
        "image": None,
        "conversations": [],
        "origins": ["1", ""],
        "steps": ["a", "b"],
        "reference_id": "",
    },
]
TEXT = st.text(max_size=3)
ROW = st.fixed_dictionaries(
    {
        "id": TEXT,
        "source": TEXT,
        "image": st.none() | TEXT,
        "more_images": st.none() | st.lists(TEXT, min_size=1, max_size=2),
        "system": st.none() | TEXT,
        "conversations": st.lists(st.fixed_dictionaries({"from": TEXT, "value": st.none() | TEXT}), max_size=3),
        "origins": st.lists(st.none() | TEXT, max_size=2),
        "steps": st.lists(TEXT, max_size=2),
        "reference_id": TEXT,
    }
)


def row_hash(*batches: pa.RecordBatch) -> str:
    digest = RowHash()
    for batch in batches:
        digest.update(batch)
    return digest.hexdigest()


def described(rows: list[dict[str, Any]]) -> str:
    """The hash as its docstring describes it, value by value."""
    columns: dict[str, bytes] = {}

    def add(path: str, content: bytes) -> None:
        columns[path] = columns.get(path, b"") + content

    def texts(path: str, values: list[str | None]) -> None:
        encoded = [(value or "").encode() for value in values]
        add(f"{path} there", bytes(value is not None for value in values))
        add(f"{path} length", b"".join(len(one).to_bytes(8, "little") for one in encoded))
        add(f"{path} text", b"".join(encoded))

    for column in SCHEMA.names:
        values = [row[column] for row in rows]
        if column in OPTIONAL.names and not any(value is not None for value in values):
            continue
        if not pa.types.is_list(SCHEMA.field(column).type):
            texts(column, values)
            continue
        add(f"{column} there", bytes(one is not None for one in values))
        add(f"{column} length", b"".join(len(one or ()).to_bytes(8, "little") for one in values))
        items = [item for one in values for item in one or ()]
        if column == "conversations":
            for field in ("from", "value"):
                texts(f"{column}[].{field}", [item[field] for item in items])
        else:
            texts(f"{column}[]", items)
    listed = "".join(f"{path}\0{hashlib.sha256(columns[path]).hexdigest()}\n" for path in sorted(columns))
    return hashlib.sha256(listed.encode()).hexdigest()


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 4))
def test_the_row_hash_is_the_described_one_also_of_slices(rows: list[dict[str, Any]], start: int, length: int) -> None:
    batch = from_dicts(rows)
    assert row_hash(batch) == described(rows)
    if part := rows[start : start + length]:
        assert row_hash(batch.slice(start, length)) == described(part)


@settings(deadline=None, max_examples=30)
@given(st.lists(ROW, min_size=1, max_size=5), st.lists(st.integers(0, 5), max_size=3))
def test_the_row_hash_is_the_same_however_rows_are_batched(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [from_dicts(rows[a:b]) for a, b in pairwise(edges)]
    assert row_hash(*parts) == row_hash(from_dicts(rows))


def test_the_row_hash_of_these_rows_never_changes() -> None:
    assert row_hash(from_dicts(ROWS)) == "4d338ffdc850e88f5909e79ad72c95c13d980896751a1e60144e6192f68fc387"


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none", "use_dictionary": True, "row_group_size": 1},
        {"compression": "snappy", "use_dictionary": False, "data_page_version": "2.0"},
        {"compression": "zstd", "use_dictionary": DICTIONARIES},
    ],
)
def test_whatever_wrote_the_parquet_its_rows_have_one_hash(tmp_path: Path, options: dict[str, Any]) -> None:
    pq.write_table(pa.Table.from_batches([from_dicts(ROWS)]), tmp_path / "x.parquet", **options)
    assert row_hash(*read_shard(tmp_path / "x.parquet")) == row_hash(from_dicts(ROWS))


def test_conversations_become_rows_column_by_column() -> None:
    one = Conversation(id="1", image="a.jpg", pairs=[Pair("<image>\nq", "a", "7"), Pair("r", "b", "8")], history=("x",))
    two = Conversation(id="2", image=None, pairs=[Pair("s", "c", "9")])
    first, second = to_dicts(to_rows("mine", [name("mine/1", one), name("mine/2#0", two)]))
    assert first == {
        "id": "mine/1",
        "source": "mine",
        "image": "a.jpg",
        "more_images": None,
        "system": None,
        "conversations": [
            {"from": "human", "value": "<image>\nq"},
            {"from": "gpt", "value": "a"},
            {"from": "human", "value": "r"},
            {"from": "gpt", "value": "b"},
        ],
        "origins": ["7", "8"],
        "steps": ["x"],
        "reference_id": "1",
    }
    assert [turn["value"] for turn in second["conversations"]] == ["s", "c"]
    assert (second["id"], second["image"], second["origins"], second["steps"]) == ("mine/2#0", None, ["9"], [])


def test_a_second_image_and_a_system_text_change_the_row_hash() -> None:
    of_one = row_hash(from_dicts(ROWS))
    for added in ({"more_images": ["b.jpg"]}, {"more_images": ["c.jpg"]}, {"system": "Be brief."}, {"system": "b.jpg"}):
        changed = row_hash(from_dicts([ROWS[0], ROWS[1] | added]))
        assert changed != of_one
        of_one = changed


def test_each_shard_is_hashed_by_itself(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "gqa", rows_per_shard=1)
    for row in ROWS:
        writer.write(from_dicts([row]))
    assert [shard.row_hash for shard in writer.finish()] == [row_hash(from_dicts([row])) for row in ROWS]


def test_a_shard_is_read_a_row_group_at_a_time(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "gqa")
    for row in ROWS:
        writer.write(from_dicts([row]))
    [shard] = writer.finish()
    filling = Filling()
    for rows in read_shard(tmp_path / Path(shard.path).name):
        filling.add(rows)
    assert (filling.rows, filling.row_hash) == (2, shard.row_hash)


def test_a_shard_that_was_changed_gives_no_row(copy: Path) -> None:
    shard = load_manifest(copy).sources[0].shards[0]
    require_file(copy, shard)
    with (copy / shard.path).open("ab") as file:
        file.write(b"x")
    with pytest.raises(MixtureError, match=r"gqa-00000-of-00001\.parquet: file hash: .*; build the mixture again"):
        next(whole_rows(copy, shard))
    with pytest.raises(MixtureError, match="file hash"):
        require_file(copy, shard)


def test_rows_of_which_one_is_gone_are_told_at_the_end(copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows.pop(), hashes="files")
    rows = whole_rows(copy, load_manifest(copy).sources[0].shards[0])
    assert len(next(rows)) == 2
    with pytest.raises(MixtureError, match=r"rows: 2, expected 3 as manifest\.json says"):
        next(rows)


@pytest.mark.parametrize("changes", [{"source": "vg"}, {"id": "vg/1"}, {"id": "vg/1", "source": "vg"}])
def test_a_row_of_another_source_is_a_fault_of_its_shard(small: Path, changes: dict[str, Any]) -> None:
    entry = load_manifest(small).sources[0]
    rows, shard = from_dicts([ROWS[0], ROWS[0] | changes]), entry.shards[0]
    found = list(record_faults(rows, RecordCheck(), entry=entry, shard=shard))
    source, identifier = changes.get("source", "gqa"), changes.get("id", "gqa/1")
    expected = f"$.source: '{source}', expected 'gqa' there and in front of the id"
    assert found == [f"{shard.path}: {identifier}: {expected}"]
    with pytest.raises(MixtureError, match=r"expected 'gqa' there and in front of the id; build the mixture again"):
        require_valid(rows, RecordCheck(), entry=entry, shard=shard)
    require_valid(rows.slice(0, 1), RecordCheck(), entry=entry, shard=shard)


@given(st.integers(-5, 10**18 + 5) | st.text("0123456789", max_size=20))
def test_a_whole_number_comes_back_as_the_text_it_was(value: int | str) -> None:
    text = str(value)
    if WHOLE_NUMBER.match(text):
        assert str(published_id(text, integer=True)) == text
        assert int(text) < 2**63
    else:
        assert not text or text[0] in "-0" or len(text) > 18
    assert published_id(text, integer=False) == text


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("0", True),
        ("9" * 18, True),
        ("1" + "0" * 18, False),
        ("9" * 19, False),
        ("07", False),
        ("1\n", False),
        ("", False),
    ],
)
def test_a_text_is_a_whole_number_if_64_bits_hold_it_and_give_it_back(text: str, whole: bool) -> None:
    assert bool(WHOLE_NUMBER.match(text)) is whole
