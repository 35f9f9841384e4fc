"""Inspecting a damaged mixture: no damage goes unseen."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import Manifest
from tests.mixtures.small import change_manifest, change_rows, look, run


def shard(mixture: Path, name: str = "gqa") -> Path:
    return next((mixture / "data").glob(f"{name}-*.parquet"))


def funnel_off(manifest: Manifest) -> None:
    manifest.sources[2].funnel[1].pairs.changes["over 2 pairs"] = -2


def funnel_broken(manifest: Manifest) -> None:
    manifest.sources[2].funnel[1].conversations.entered += 1
    manifest.sources[2].funnel[1].conversations.left += 1


def funnel_cut(manifest: Manifest) -> None:
    del manifest.sources[2].funnel[1:]


def sum_off(manifest: Manifest) -> None:
    manifest.conversations += 1


def row_hash_off(manifest: Manifest) -> None:
    manifest.row_hash = "0" * 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (funnel_off, "mine: the funnel does not add up at drop_by_length: 4 -2 pairs are not 1"),
        (funnel_broken, "mine: the funnel breaks: 2 conversations leave read, 3 enter drop_by_length"),
        (funnel_cut, "mine: the funnel does not end at the 1 conversations of the source"),
        (sum_off, "conversations: 5, expected 6 as manifest.json says"),
        (row_hash_off, "row hash of all: "),
    ],
)
def test_a_manifest_that_contradicts_itself_is_damaged(
    copy: Path, change: Callable[[Manifest], None], message: str
) -> None:
    change_manifest(copy, change)
    shown = run("inspect", copy)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert message in shown.stderr
    assert shown.stderr.endswith("build the mixture again\n")


def test_a_manifest_that_is_cut_off_is_damaged(copy: Path) -> None:
    manifest = copy / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-100])
    shown = run("inspect", copy, "--format", "json")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "manifest.json: damaged: " in shown.stderr


def test_a_missing_shard_is_damage(copy: Path) -> None:
    shard(copy).unlink()
    with pytest.raises(MixtureError, match=r"gqa-00000-of-00001\.parquet: no such file, expected it"):
        look(copy)


def test_a_changed_file_is_damage(copy: Path) -> None:
    shard(copy).write_bytes(shard(copy).read_bytes() + b"\0")
    with pytest.raises(MixtureError, match=r"gqa-00000-of-00001\.parquet: file hash: .*, expected .* as manifest"):
        look(copy)


def test_a_shard_that_the_manifest_does_not_name_is_damage(copy: Path) -> None:
    shutil.copy(shard(copy), copy / "data" / "gqa-00000-of-00002.parquet")
    with pytest.raises(MixtureError, match=r"gqa-00000-of-00002\.parquet: not in manifest\.json"):
        look(copy)


def test_a_lost_row_is_damage(copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows.pop(), hashes="files")
    with pytest.raises(MixtureError, match="rows: 2, expected 3 as manifest"):
        look(copy)


def test_a_changed_row_is_damage(copy: Path) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(steps=["changed"]), hashes="files")
    with pytest.raises(MixtureError, match=r"row hash: \w+…, expected \w+…"):
        look(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "0012"}, r"0012: \$\.id: '0012' does not match"),
        ({"id": "mine/1"}, r"mine/1: \$\.source: 'gqa', expected 'gqa' there and in front of the id"),
        ({"source": "vqa"}, r"gqa/0012#0: \$\.source: 'vqa', expected 'gqa'"),
        ({"image": None}, r"gqa/0012#0: 1 <image> in the human turns, expected 0"),
        ({"image": ""}, r"gqa/0012#0: \$\.image: "),
        ({"origins": []}, r"gqa/0012#0: \$\.origins: "),
        ({"conversations": [{"from": "human", "value": "<image>\na"}]}, r"gqa/0012#0: \$\.conversations: "),
        ({"id": "gqa/2327515#0"}, "1 ids occur twice, the first is 'gqa/2327515#0', expected each once"),
    ],
)
def test_a_row_that_breaks_a_rule_is_damage(copy: Path, changes: dict[str, Any], message: str) -> None:
    change_rows(copy, "gqa", lambda rows: rows[1].update(changes), hashes="all")
    with pytest.raises(MixtureError, match=message):
        look(copy)


def test_a_lost_pair_is_damage(copy: Path) -> None:
    def lose(rows: list[dict[str, Any]]) -> None:
        del rows[0]["conversations"][2:], rows[0]["origins"][1:]

    change_rows(copy, "gqa", lose, hashes="all")
    with pytest.raises(MixtureError, match="gqa: 3 pairs, expected 4 as manifest"):
        look(copy)
