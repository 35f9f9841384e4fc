"""Shards, and the hash of rows that no batch and no writer changes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.mixtures.storage.parquet import RowHash, ShardWriter, name, read_shard, to_rows
from mix665k.schemas.conversation import Conversation, Pair
from mix665k.schemas.errors import MixtureError

TEXT = st.text(max_size=8)
CONVERSATION = st.builds(
    Conversation,
    id=TEXT,
    image=st.none() | TEXT,
    pairs=st.lists(st.builds(Pair, TEXT, TEXT, TEXT), min_size=1, max_size=3),
    history=st.lists(TEXT, max_size=2).map(tuple),
)


def rows(conversations: list[Conversation]) -> pa.RecordBatch:
    return to_rows("made_up", [name(f"made_up/{c.id}", c) for c in conversations])


def hash_of(*batches: pa.RecordBatch) -> str:
    digest = RowHash()
    for batch in batches:
        digest.update(batch)
    return digest.hexdigest()


@given(st.lists(CONVERSATION, min_size=1, max_size=6), st.integers(0, 6))
def test_the_row_hash_does_not_depend_on_batches(conversations: list[Conversation], cut: int) -> None:
    whole = rows(conversations)
    assert hash_of(whole) == hash_of(rows(conversations[:cut]), rows(conversations[cut:]))
    assert hash_of(whole) == hash_of(whole.slice(0, cut), whole.slice(cut))


def conversation(**changes: object) -> Conversation:
    given = {"id": "7", "image": "a.jpg", "pairs": [Pair("q", "a", "1")], "history": ("x",)}
    return Conversation(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "8"},
        {"image": None},
        {"image": ""},
        {"pairs": [Pair("qa", "", "1")]},
        {"pairs": [Pair("q", "a", "2")]},
        {"pairs": [Pair("q", "a", "1"), Pair("q", "a", "1")]},
        {"history": ()},
        {"history": ("x", "y")},
    ],
)
def test_any_change_changes_the_row_hash(changes: dict[str, object]) -> None:
    assert hash_of(rows([conversation()])) != hash_of(rows([conversation(**changes)]))


def test_the_order_of_rows_changes_the_row_hash() -> None:
    one, other = conversation(id="1"), conversation(id="2")
    assert hash_of(rows([one, other])) != hash_of(rows([other, one]))


def test_rows_read_back_hash_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    writer = ShardWriter(tmp_path / "data", "made_up")
    writer.write(rows([conversation(), conversation(id="9", image=None)]))
    [shard] = writer.finish()
    assert shard.path == "data/made_up-00000-of-00001.parquet"
    assert shard.rows == 2
    assert hash_of(*read_shard(tmp_path / shard.path)) == shard.row_hash


def test_an_empty_source_is_an_empty_shard(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    [shard] = ShardWriter(tmp_path / "data", "made_up").finish()
    assert shard.rows == 0
    assert sum(len(batch) for batch in read_shard(tmp_path / shard.path)) == 0


def test_a_missing_shard_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"none.parquet: no such file; build the mixture again"):
        list(read_shard(tmp_path / "none.parquet"))


def test_a_shard_that_is_not_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(MixtureError, match=r"bad.parquet: damaged"):
        list(read_shard(tmp_path / "bad.parquet"))


def test_a_shard_of_other_columns_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "other.parquet")
    with pytest.raises(MixtureError, match=r"other.parquet: columns are \['id'\], expected those of a mixture"):
        list(read_shard(tmp_path / "other.parquet"))
