"""Shards, and the hash of rows that no batch and no writer changes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.mixtures.storage.parquet import SCHEMA, RowHash, ShardWriter, from_dicts, name, read_shard, to_rows
from mix665k.schemas.conversation import Conversation, Pair
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import load_manifest, write_manifest
from mix665k.trainer.data.mixture import Mixture as TrainingMixture
from tests.mixtures.small import build_small, run

ZSTD = b"\x28\xb5\x2f\xfd"
"""How a page that zstd packed begins."""

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


def damage(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_a_shard_that_cannot_be_unpacked_is_named_though_its_hash_is_right(tmp_path: Path) -> None:
    mixture = build_small(tmp_path)
    manifest = load_manifest(mixture)
    shard = manifest.sources[0].shards[0]
    damage(mixture / shard.path, ZSTD, ZSTD[::-1])
    shard.sha256 = sha256_of(mixture / shard.path)
    write_manifest(mixture, manifest)
    commands: list[list[str | Path]] = [
        ["inspect", mixture],
        ["images", mixture, "--images", tmp_path],
        ["diff", mixture, mixture],
        ["export", mixture, "--format", "llava", "--out", tmp_path / "out.json"],
        ["export", mixture, "--format", "messages", "--out", tmp_path / "out.parquet"],
        ["trace", mixture, "gqa/7#0"],
    ]
    for arguments in commands:
        shown = run(*arguments)
        assert (shown.exit_code, shown.stderr.count("\n")) == (1, 1), shown.output
        assert shown.stderr.startswith(f"error: {mixture / shard.path}: damaged: "), arguments
    with pytest.raises(MixtureError, match=rf"{shard.path}: damaged: ZSTD"):
        TrainingMixture(mixture)


def test_a_text_that_is_no_utf8_is_a_damaged_shard(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names, "text") | {"conversations": [], "origins": [], "steps": []}
    pq.write_table(pa.Table.from_batches([from_dicts([row])]), path, compression="none", use_dictionary=False)
    damage(path, b"text", b"te\xffx")
    with pytest.raises(MixtureError, match=r"x\.parquet: damaged: .*UTF"):
        list(read_shard(path))


def test_a_shard_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").mkdir()
    with pytest.raises(MixtureError, match=r"x\.parquet: "):
        list(read_shard(tmp_path / "x.parquet"))
