"""Damage is told once for each fault, with the place and both values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mix665k.mixtures.storage.integrity import (
    file_faults,
    funnel_faults,
    hash_of_all,
    record_faults,
    repeated,
    require_sums,
    require_unique,
    row_faults,
    stray_shards,
    sum_faults,
    whole_rows,
)
from mix665k.mixtures.storage.parquet import Filling, from_dicts, read_shard, to_dicts
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import Manifest, load_manifest


@pytest.fixture
def manifest(small: Path) -> Manifest:
    """The manifest of the small mixture, to change."""
    return load_manifest(small)


def lines(manifest: Manifest) -> list[str]:
    return [*funnel_faults(manifest), *sum_faults(manifest)]


def test_a_sound_manifest_has_no_fault(manifest: Manifest, small: Path) -> None:
    assert lines(manifest) == []
    assert list(stray_shards(small, manifest)) == []
    require_sums(small, manifest)


def rename(manifest: Manifest) -> None:
    manifest.sources[1].shards[0].path = "data/sharegpt-00000-of-00002.parquet"


def one_row_more(manifest: Manifest) -> None:
    manifest.sources[1].shards[0].rows += 1


def two_of_a_name(manifest: Manifest) -> None:
    manifest.sources[2].name = "gqa"


def other_shard(manifest: Manifest) -> None:
    manifest.sources[0].shards[0].row_hash = "0" * 64


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rename, ["shard 'data/sharegpt-00000-of-00002.parquet', expected 'data/sharegpt-00000-of-00001.parquet'"]),
        (one_row_more, ["sharegpt: rows of its shards: 2, expected 1 as manifest.json says"]),
        (lambda manifest: setattr(manifest, "pairs", 1_008), ["pairs: 7, expected 1,008 as manifest.json says"]),
        (lambda manifest: setattr(manifest, "row_hash", "f" * 64), ["row hash of all: ", "ffffffffffffffff…"]),
        (other_shard, ["row hash of all: "]),
        (two_of_a_name, ["two sources are called 'gqa'"]),
    ],
)
def test_a_manifest_that_contradicts_itself_is_told(
    manifest: Manifest, change: Callable[[Manifest], Any], expected: list[str]
) -> None:
    change(manifest)
    told = "\n".join(lines(manifest))
    assert told
    assert all(text in told for text in expected)


def test_every_sum_that_is_off_is_told(manifest: Manifest) -> None:
    manifest.conversations, manifest.pairs = 9, 9
    assert [line.partition(": ")[2] for line in lines(manifest)] == [
        "conversations: 5, expected 9 as manifest.json says",
        "pairs: 7, expected 9 as manifest.json says",
    ]


def test_the_hash_of_all_knows_names_and_order(manifest: Manifest) -> None:
    entries = manifest.sources
    assert hash_of_all(entries) == manifest.row_hash
    assert hash_of_all(entries[::-1]) != manifest.row_hash
    entries[0].name = "other"
    assert hash_of_all(entries) != manifest.row_hash


def test_a_file_beside_the_shards_is_told_if_datasets_would_read_it(copy: Path) -> None:
    (copy / "data" / "notes.txt").write_text("mine")
    (copy / "data" / "gqa-new.parquet").write_text("")
    [line] = stray_shards(copy, load_manifest(copy))
    assert line == "data/gqa-new.parquet: not in manifest.json, but `datasets` would read it"
    with pytest.raises(MixtureError, match=r"gqa-new\.parquet: not in manifest\.json, .*; remove it or build"):
        require_sums(copy, load_manifest(copy))


def test_a_file_is_told_as_missing_or_as_changed(copy: Path) -> None:
    shard = load_manifest(copy).sources[0].shards[0]
    assert list(file_faults(copy, shard)) == []
    (copy / shard.path).write_bytes(b"x")
    [line] = file_faults(copy, shard)
    assert line.startswith(f"{shard.path}: file hash: 2d711642b726b044…, expected {shard.sha256[:16]}…")
    (copy / shard.path).unlink()
    assert list(file_faults(copy, shard)) == [f"{shard.path}: no such file, expected it as manifest.json says"]


def test_rows_are_told_by_number_and_by_hash(small: Path) -> None:
    shard = load_manifest(small).sources[0].shards[0]
    found = Filling()
    for rows in read_shard(small / shard.path):
        found.add(rows.slice(0, 2))
    number, row_hash = row_faults(shard, found)
    assert number == f"{shard.path}: rows: 2, expected 3 as manifest.json says"
    assert row_hash.startswith(f"{shard.path}: row hash: ")
    assert len(list(row_faults(shard, Filling()))) == 1  # no row, no hash


def test_rows_are_given_before_their_hash_is_known_to_be_wrong(copy: Path) -> None:
    shard = load_manifest(copy).sources[0].shards[0]
    shard.row_hash = "0" * 64
    rows = whole_rows(copy, shard)
    assert len(next(rows)) == 3
    with pytest.raises(MixtureError, match=r"row hash: .*, expected 0{16}… as manifest\.json says; build the mixture"):
        next(rows)


def test_ids_that_repeat_are_told_once_in_their_order() -> None:
    ids = pl.Series(["b", "a", "c", "b", "a", "b"])
    assert repeated(ids).to_list() == ["b", "a"]
    require_unique(Path("x"), pl.Series(["a", "b"]))
    with pytest.raises(MixtureError, match="x: 2 ids occur twice, the first is 'b', expected each once"):
        require_unique(Path("x"), ids)


def test_every_record_with_a_fault_is_told_and_only_some_are_explained(small: Path) -> None:
    entry = load_manifest(small).sources[0]
    rows = [row for batch in read_shard(small / entry.shards[0].path) for row in to_dicts(batch)]
    for row in rows:
        row["conversations"] = [{"from": "human", "value": ""}, {"from": "gpt", "value": "a"}]
    check, shard = RecordCheck(), entry.shards[0]
    told = list(record_faults(from_dicts(rows), check, entry=entry, shard=shard, max_explained=1))
    assert [line.partition("#0: ")[0] for line in told] == [f"{shard.path}: {row['id'][:-2]}" for row in rows]
    assert "$.conversations[0].value: '' should be non-empty" in told[0]
    assert all(line.endswith("does not agree with the schema of conversations") for line in told[1:])
    assert list(record_faults(from_dicts([]), check, entry=entry, shard=shard)) == []
