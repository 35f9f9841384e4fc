"""Ways to damage a mixture, and what verifying it finds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.mixtures.verify.verification import Check, Verification
from mix665k.schemas.manifest import Manifest
from tests.mixtures.small import change_manifest, change_rows

NAMES = [
    "manifest",
    "files",
    "file hashes",
    "row hashes",
    "records",
    "ids",
    "funnel",
    "recipe's counts",
    "positions",
    "paper's counts",
    "fingerprint",
]


def verify(mixture: Path, *, jobs: int = 1) -> Verification:
    return verify_mixture(mixture, advance=lambda share: None, jobs=jobs)


def check(found: Verification, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def shard(mixture: Path, name: str = "gqa") -> Path:
    return mixture / "data" / f"{name}-00000-of-00001.parquet"


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
