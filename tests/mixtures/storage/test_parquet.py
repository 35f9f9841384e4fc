"""Rows as columns and as Python objects, and shards that fill up."""

import gc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.storage.parquet import (
    SCHEMA,
    Filling,
    ShardWriter,
    count_pairs,
    from_dicts,
    read_shard,
    shard_name,
    to_dicts,
    uncollected,
)
from mix665k.schemas.files import sha256_of

TEXT = st.text(max_size=5)
ROW = st.fixed_dictionaries(
    {
        "id": TEXT,
        "source": TEXT,
        "image": st.none() | TEXT,
        "more_images": st.none() | st.lists(TEXT, min_size=1, max_size=2),
        "system": st.none() | TEXT,
        "conversations": st.lists(st.fixed_dictionaries({"from": TEXT, "value": TEXT}), max_size=4),
        "origins": st.lists(TEXT, max_size=2),
        "steps": st.lists(TEXT, max_size=2),
        "reference_id": TEXT,
    }
)


def numbered(*numbers: int) -> pa.RecordBatch:
    """Rows with these ids."""
    about: dict[str, Any] = {"source": "x", "image": None, "conversations": [], "origins": [], "steps": []}
    return from_dicts([about | {"id": f"x/{number}", "reference_id": str(number)} for number in numbers])


@settings(deadline=None)
@given(st.lists(ROW, max_size=5), st.integers(0, 5), st.integers(0, 5))
def test_rows_come_back_as_pyarrow_gives_them_also_from_a_slice(
    rows: list[dict[str, Any]], start: int, length: int
) -> None:
    batch = from_dicts(rows)
    assert to_dicts(batch) == batch.to_pylist() == rows
    part = batch.slice(start, length)
    assert to_dicts(part) == part.to_pylist()


@settings(deadline=None)
@given(st.lists(ROW, max_size=5), st.integers(0, 5))
def test_pairs_are_two_turns_each(rows: list[dict[str, Any]], start: int) -> None:
    expected = [len(row["conversations"]) // 2 for row in rows]
    assert count_pairs(from_dicts(rows)) == sum(expected)
    assert count_pairs(from_dicts(rows).slice(start)) == sum(expected[start:])


@pytest.mark.parametrize("on", [True, False])
def test_garbage_collection_is_as_it_was_after_a_block(on: bool) -> None:
    was_on = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with pytest.raises(ValueError, match="x"), uncollected():
            raise ValueError(f"x {gc.isenabled()}")
        assert gc.isenabled() is on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_a_shard_is_full_at_its_size_not_before() -> None:
    filling = Filling(rows_per_shard=3)
    filling.add(numbered(1, 2))
    assert (filling.rows, filling.full) == (2, False)
    filling.add(numbered(3, 4))
    assert (filling.rows, filling.full) == (4, True)


@pytest.mark.parametrize(("num_batches", "expected"), [(1, [2]), (2, [4]), (3, [4, 2]), (5, [4, 4, 2])])
def test_shards_are_numbered_once_their_number_is_known(tmp_path: Path, num_batches: int, expected: list[int]) -> None:
    writer = ShardWriter(tmp_path, "x", rows_per_shard=4)
    for k in range(num_batches):
        writer.write(numbered(2 * k, 2 * k + 1))
        assert all(path.name.startswith(".x-") for path in tmp_path.iterdir())
    shards = writer.finish()
    assert [shard.rows for shard in shards] == expected
    assert [shard.path for shard in shards] == [
        f"data/{shard_name('x', k, len(expected))}" for k in range(len(expected))
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [Path(shard.path).name for shard in shards]
    read = [
        row["id"]
        for shard in shards
        for batch in read_shard(tmp_path / Path(shard.path).name)
        for row in to_dicts(batch)
    ]
    assert read == [f"x/{k}" for k in range(2 * num_batches)]


def test_a_shard_says_its_size_and_hashes(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "x")
    writer.write(numbered(1, 2))
    [shard] = writer.finish()
    path = tmp_path / Path(shard.path).name
    assert (shard.bytes, shard.sha256) == (path.stat().st_size, sha256_of(path))
    filling = Filling()
    filling.add(numbered(1))
    filling.add(numbered(2))
    assert shard.row_hash == filling.row_hash


def test_the_columns_of_a_shard_are_those_of_a_mixture_and_few_values_are_stored_once(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "x")
    writer.write(numbered(*range(100)))
    [shard] = writer.finish()
    path = tmp_path / Path(shard.path).name
    assert pq.read_schema(path).equals(SCHEMA)
    group = pq.read_metadata(path).row_group(0)
    encodings = {group.column(k).path_in_schema: group.column(k).encodings for k in range(group.num_columns)}
    assert "RLE_DICTIONARY" in encodings["source"]
    assert "RLE_DICTIONARY" not in encodings["id"]


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    writer = ShardWriter(Path("a:b"), "x")
    writer.write(numbered(1))
    [shard] = writer.finish()
    assert sum(len(batch) for batch in read_shard(Path("a:b") / Path(shard.path).name)) == 1
