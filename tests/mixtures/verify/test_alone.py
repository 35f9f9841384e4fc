"""Verifying a mixture by itself: no damage goes unseen, and one fault hides no other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixtures.verify.alone import verify_mixture
from mixtures.verify.verification import Check, Verification, require_passed
from schemas.errors import MixtureError
from schemas.manifest import Manifest, load_manifest
from schemas.recipe import Expect
from tests.mixtures.small import change_manifest, change_rows, run

NAMES = [
    "manifest",
    "files",
    "file hashes",
    "row hashes",
    "records",
    "ids",
    "funnel",
    "recipe's counts",
    "paper's counts",
]


def verify(mixture: Path, *, jobs: int = 1) -> Verification:
    return verify_mixture(mixture, advance=lambda share: None, jobs=jobs)


def check(found: Verification, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def shard(mixture: Path, name: str = "gqa") -> Path:
    return mixture / "data" / f"{name}-00000-of-00001.parquet"


def test_a_whole_mixture_passes_every_check(small: Path) -> None:
    found = verify(small)
    assert [one.name for one in found.checks] == NAMES
    assert [one.outcome for one in found.checks] == ["ok"] * 7 + ["not applicable", "differs"]
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


def lose_shard(mixture: Path) -> None:
    shard(mixture).unlink()


def add_shard(mixture: Path) -> None:
    shutil.copy(shard(mixture), mixture / "data" / "gqa-00000-of-00002.parquet")


def add_file_inside(mixture: Path) -> None:
    (mixture / "data" / ".notes").write_text("")


def add_file_beside(mixture: Path) -> None:
    (mixture / "mix.json").write_text("[]")


def lose_card(mixture: Path) -> None:
    (mixture / "README.md").unlink()


def cut_file(mixture: Path) -> None:
    shard(mixture).write_bytes(shard(mixture).read_bytes()[:-5])


def replace_by_folder(mixture: Path) -> None:
    shard(mixture).unlink()
    shard(mixture).mkdir()


def swap_shards(mixture: Path) -> None:
    one, other = shard(mixture).read_bytes(), shard(mixture, "mine").read_bytes()
    shard(mixture).write_bytes(other)
    shard(mixture, "mine").write_bytes(one)


def edit_row(mixture: Path) -> None:
    change_rows(mixture, "gqa", lambda rows: rows[1].update(reference_id="12"), hashes="files")


def break_rule(mixture: Path) -> None:
    change_rows(mixture, "gqa", lambda rows: rows[1].update(image=None), hashes="all")


def repeat_id(mixture: Path) -> None:
    change_rows(mixture, "gqa", lambda rows: rows[1].update(id=rows[0]["id"]), hashes="all")


def lose_pair(mixture: Path) -> None:
    def lose(rows: list[dict[str, Any]]) -> None:
        del rows[0]["conversations"][2:], rows[0]["origins"][1:]

    change_rows(mixture, "gqa", lose, hashes="all")


def manifest_with(**changes: Any) -> Callable[[Path], None]:
    def change(manifest: Manifest) -> None:
        for name, value in changes.items():
            setattr(manifest, name, value)

    return lambda mixture: change_manifest(mixture, change)


def change_funnel(mixture: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.sources[2].funnel[1].pairs.changes["over 2 pairs"] = -2

    change_manifest(mixture, change)


def point_elsewhere(mixture: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.sources[0].shards[0].path = "data/../data/gqa-00000-of-00001.parquet"

    change_manifest(mixture, change)


def list_twice(mixture: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.sources.append(manifest.sources[2])

    change_manifest(mixture, change)


def other_recipe(mixture: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.recipe = manifest.recipe.replace("name: mine", "name: yours")

    change_manifest(mixture, change)


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
        (break_rule, {"records"}, "gqa/0012#0: 1 <image> in the first human turn, expected 0"),
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
    with pytest.raises(MixtureError, match=r"copy: \d of 9 checks not passed: "):
        require_passed(found)


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
        (manifest_with(format=2), "manifest.json: format 2, expected 1"),
    ],
)
def test_nothing_passes_without_a_manifest(copy: Path, damage: Callable[[Path], Any], line: str) -> None:
    damage(copy)
    found = verify(copy)
    assert [one.outcome for one in found.checks] == ["failed"] + ["not checked"] * 8
    assert line in found.checks[0].lines.first[0]


def expecting(mixture: Path, expect: Expect, overrides: dict[str, Any]) -> None:
    """As if the recipe had expected another number of `mine`."""

    def change(manifest: Manifest) -> None:
        strict = "true" if expect.strict else "false"
        text = f"expect: {{count: {expect.count}, because: {expect.because}, strict: {strict}}}"
        manifest.recipe = manifest.recipe.rstrip() + f"\n    {text}\n"
        manifest.sources[2].expect = expect
        manifest.overrides = overrides

    change_manifest(mixture, change)


@pytest.mark.parametrize(
    ("expect", "overrides", "outcome"),
    [
        (Expect(1, "a test", strict=True), {}, "ok"),
        (Expect(7, "a test", strict=True), {}, "failed"),
        (Expect(7, "a test", strict=False), {}, "differs"),
        (Expect(7, "a test", strict=True), {"limit": 3}, "differs"),
        (Expect(7, "a test", strict=True), {"on_bad_record": "drop"}, "differs"),
        (Expect(7, "a test", strict=True), {"tokenizer": "tiny"}, "failed"),
    ],
)
def test_a_strict_expectation_is_held_unless_the_build_was_asked_for_less(
    copy: Path, expect: Expect, overrides: dict[str, Any], outcome: str
) -> None:
    expecting(copy, expect, overrides)
    found = check(verify(copy), "recipe's counts")
    assert found.outcome == outcome
    if outcome != "ok":
        assert found.lines.first == ["mine: 1 records, the recipe expects 7 (a test)"]


@pytest.mark.parametrize(
    ("overrides", "outcome"),
    [
        ({}, "failed"),
        ({"only": ["gqa", "sharegpt", "mine"]}, "not applicable"),
        ({"exclude_source": ["okvqa"]}, "not applicable"),
        ({"commercial_only": ["okvqa"]}, "not applicable"),
    ],
)
def test_a_build_of_some_sources_need_not_have_the_others(copy: Path, overrides: dict[str, Any], outcome: str) -> None:
    def change(manifest: Manifest) -> None:
        manifest.recipe += "  - {source: okvqa}\n"
        manifest.overrides = overrides

    change_manifest(copy, change)
    assert check(verify(copy), "recipe's counts").outcome == outcome


def test_the_report_is_printed_before_the_error(copy: Path) -> None:
    edit_row(copy)
    shown = run("verify", copy, "--jobs", "1")
    assert shown.exit_code == 1
    assert "row hashes        failed" in shown.stdout
    assert "data/gqa-00000-of-00001.parquet: row hash: " in shown.stdout
    assert shown.stderr == f"error: {copy}: 1 of 9 checks not passed: row hashes\n"


def test_a_whole_mixture_is_exit_code_0(small: Path) -> None:
    shown = run("verify", small, "--jobs", "1")
    assert (shown.exit_code, shown.stderr) == (0, "")


def test_json_is_one_document(copy: Path) -> None:
    edit_row(copy)
    shown = run("verify", copy, "--format", "json")
    document = json.loads(shown.stdout)
    assert (shown.exit_code, document["ok"], document["name"]) == (1, False, "small")
    assert [one["name"] for one in document["checks"]] == NAMES
    assert document["checks"][3]["lines"]["count"] == 1
    assert document["against"] is None


@pytest.mark.parametrize("width", ["80", "120"])
def test_no_line_is_wider_than_the_terminal(copy: Path, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for damage in (edit_row, break_rule, add_file_beside, change_funnel, swap_shards):
        damage(copy)
    monkeypatch.setenv("COLUMNS", width)
    lines = run("verify", copy, "--jobs", "1").stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith("/")) <= int(width)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    shown = run("verify", tmp_path / "nothing")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"error: {tmp_path}/nothing: no such folder, expected a mixture\n"


def test_options_of_the_rebuild_need_the_raw_files(small: Path) -> None:
    shown = run("verify", small, "--only", "gqa")
    assert shown.exit_code == 2
    assert "goes with --raw" in shown.stderr
