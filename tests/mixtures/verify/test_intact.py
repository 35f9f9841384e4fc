"""Verifying a mixture by itself: no damage goes unseen, and one fault hides no other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.verify.verification import require_passed
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.small import change_rows
from tests.mixtures.verify.damaging import (
    NAMES,
    add_file_beside,
    add_file_inside,
    add_shard,
    break_rule,
    change_funnel,
    check,
    cut_file,
    edit_row,
    list_twice,
    lose_card,
    lose_pair,
    lose_shard,
    manifest_with,
    other_recipe,
    point_elsewhere,
    repeat_id,
    replace_by_folder,
    shard,
    swap_shards,
    verify,
)


def test_a_whole_mixture_passes_every_check(small: Path) -> None:
    found = verify(small)
    assert [one.name for one in found.checks] == NAMES
    assert [one.outcome for one in found.checks] == [*["ok"] * 7, *["not applicable"] * 2, "differs", "not applicable"]
    assert found.ok
    require_passed(found)
    assert check(found, "records").seen == "5 records, schema and rules"
    assert check(found, "paper's counts").lines.first == [
        "gqa: 3 records, published 72,140 (-72,137)",
        "sharegpt: 1 records, published 40,688 (-40,687)",
    ]


def test_two_processes_find_what_one_finds(copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(image=None), hashes="files")
    shard(copy, "mine").unlink()
    assert verify(copy, jobs=2) == verify(copy)


@pytest.mark.parametrize(
    ("damage", "failed", "line"),
    [
        (lose_shard, {"files", "funnel"}, "data/gqa-00000-of-00001.parquet: no such file"),
        (replace_by_folder, {"files", "funnel"}, "data/gqa-00000-of-00001.parquet: no such file"),
        (add_shard, {"files"}, "data/gqa-00000-of-00002.parquet: not in manifest.json, but `datasets` would read it"),
        (add_file_inside, {"files"}, "data/.notes: no part of a mixture"),
        (add_file_beside, {"files"}, "mix.json: no part of a mixture"),
        (lose_card, {"files"}, "README.md: no such file"),
        (cut_file, {"file hashes", "row hashes", "funnel"}, "data/gqa-00000-of-00001.parquet: file hash: "),
        (cut_file, {"file hashes", "row hashes", "funnel"}, "data/gqa-00000-of-00001.parquet: damaged: "),
        (swap_shards, {"file hashes", "row hashes", "records", "funnel"}, "mine/7#0: $.source: 'mine', expected 'gqa'"),
        (edit_row, {"row hashes"}, "data/gqa-00000-of-00001.parquet: row hash: "),
        (break_rule, {"records"}, "gqa/0012#0: 1 <image> in the human turns, expected 0"),
        (repeat_id, {"ids"}, "gqa/2327515#0: occurs more than once"),
        (lose_pair, {"funnel"}, "gqa: pairs that are there: 3, expected 4 as manifest.json says"),
        (manifest_with(conversations=6), {"manifest"}, "manifest.json: conversations: 5, expected 6"),
        (manifest_with(row_hash="0" * 64), {"manifest"}, "manifest.json: row hash of all: "),
        (point_elsewhere, {"manifest", "files"}, "manifest.json: gqa: shard 'data/../data/gqa-00000-of-00001.parquet'"),
        (list_twice, {"manifest", "recipe's counts"}, "manifest.json: two sources are called 'mine'"),
        (change_funnel, {"funnel"}, "mine: the funnel does not add up at drop_by_length: 4 -2 pairs are not 1"),
        (other_recipe, {"recipe's counts"}, "sources gqa, sharegpt, mine, expected gqa, sharegpt, yours"),
        (manifest_with(recipe="{"), {"recipe's counts"}, "manifest.json: recipe: not YAML: "),
        (manifest_with(integer_ids=[]), {"recipe's counts"}, "name or integer_ids are not those of its recipe"),
    ],
)
def test_damage_fails_its_checks_and_no_other(
    copy: Path, damage: Callable[[Path], None], failed: set[str], line: str
) -> None:
    damage(copy)
    found = verify(copy)
    assert {one.name for one in found.checks if one.outcome == "failed"} == failed
    assert any(line in told for one in found.checks for told in one.lines.first if one.outcome == "failed")
    assert not found.ok
    with pytest.raises(MixtureError, match=r"copy: \d of 11 checks not passed: "):
        require_passed(found)


def _edited(content: Any, path: str, value: Any) -> None:
    *way, last = path.split("/")
    for name in way:
        content = content[int(name) if name.isdigit() else name]
    content[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sources/0/shards/0/bytes", 1),
        ("sources/0/inputs/0/bytes", 1),
        ("sources/0/inputs/0/sha256", "0" * 64),
        ("sources/0/inputs/0/path", "other.json"),
        ("sources/0/params/image_folder", "elsewhere"),
        ("sources/2/steps/0/drop_by_length/max_pairs", 3),
        ("sources/2/funnel/1/examples/over 2 pairs", ["9"]),
        ("sources/1/splits", ["train"]),
    ],
)
def test_a_manifest_that_was_edited_does_not_pass(copy: Path, path: str, value: Any) -> None:
    file = copy / "manifest.json"
    content = json.loads(file.read_text())
    _edited(content, path, value)
    file.write_text(json.dumps(content))
    assert "was changed after it was written" in "".join(check(verify(copy), "manifest").lines.first)

    del content["checksum"]  # as older versions wrote it: the size of a file tells still
    file.write_text(json.dumps(content))
    assert verify(copy).ok == (path != "sources/0/shards/0/bytes")


def test_a_flipped_byte_is_seen_wherever_it_is(copy: Path) -> None:
    whole = shard(copy).read_bytes()
    for position in range(0, len(whole), 97):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        shard(copy).write_bytes(flipped)
        assert check(verify(copy), "file hashes").outcome == "failed", position


def test_one_fault_hides_no_other(copy: Path) -> None:
    for damage in (edit_row, break_rule, add_file_beside, change_funnel, manifest_with(conversations=6)):
        damage(copy)
    shard(copy, "mine").write_bytes(b"no parquet")
    found = verify(copy)
    failed = {one.name for one in found.checks if one.outcome == "failed"}
    assert failed == {"manifest", "files", "file hashes", "row hashes", "records", "funnel"}


def test_all_faults_are_counted_and_the_first_are_told(tiny_mixture: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_mixture, tmp_path / "copy")
    change_rows(copy, "vqav2", lambda rows: [row.update(image="") for row in rows], hashes="all")
    records = check(verify(copy), "records").lines
    assert records.count == next(one.conversations for one in load_manifest(copy).sources if one.name == "vqav2")
    assert records.count > 20
    assert len(records.first) == 5
    assert all("$.image" in line for line in records.first)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda mixture: (mixture / "manifest.json").unlink(), "holds an unfinished build; run `mix build` again"),
        (lambda mixture: (mixture / "manifest.json").write_text("{}"), "manifest.json: damaged: "),
        (lambda mixture: (mixture / "manifest.json").write_bytes(b"\xff"), "manifest.json: damaged: "),
        (manifest_with(format=9), " in format 9, which is newer than the format 3 of mix665k "),
    ],
)
def test_nothing_passes_without_a_manifest(copy: Path, damage: Callable[[Path], Any], line: str) -> None:
    damage(copy)
    found = verify(copy)
    assert [one.outcome for one in found.checks] == ["failed"] + ["not checked"] * 10
    assert line in found.checks[0].lines.first[0]
