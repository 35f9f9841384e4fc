"""Checking images while building."""

import shutil
from pathlib import Path

import pytest

from mix665k.builders.synthetic import draw_images
from mix665k.mixtures.build.plan import Options
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import load_manifest
from tests.mixtures.build.test_build import run, written

RECIPE = "{name: one, sources: [{source: okvqa, steps: [merge_by_image]}]}"


@pytest.fixture
def raw_and_images(made_up_raw: Path, tmp_path: Path) -> tuple[Path, Path]:
    """OKVQA's raw files, and its images but one."""
    raw, images = tmp_path / "raw", tmp_path / "images"
    shutil.copytree(made_up_raw / "okvqa", raw / "okvqa")
    draw_images(raw, images, seed=0)
    min(images.rglob("*.jpg")).unlink()
    return raw, images


def test_a_missing_image_stops_the_build(raw_and_images: tuple[Path, Path], tmp_path: Path) -> None:
    raw, images = raw_and_images
    with pytest.raises(
        MixtureError, match=r"okvqa: 1 records have no image under .*, the first is coco/train2017/\d+.jpg"
    ):
        run(written(tmp_path, RECIPE), Options(raw, tmp_path / "out", images=images))


def test_missing_images_are_dropped_with_their_ids(raw_and_images: tuple[Path, Path], tmp_path: Path) -> None:
    raw, images = raw_and_images
    whole, _ = run(written(tmp_path, RECIPE), Options(raw, tmp_path / "whole"))
    options = Options(raw, tmp_path / "out", images=images, on_missing_image="drop")
    run(written(tmp_path, RECIPE), options)
    manifest = load_manifest(tmp_path / "out")
    step = next(step for step in manifest.sources[0].funnel if step.step == "images")
    assert manifest.conversations == whole.conversations - 1
    assert step.conversations.changes == {"image missing": -1}
    [missing] = step.examples["image missing"]
    assert missing.endswith(".jpg")
    assert manifest.overrides == {"on_missing_image": "drop"}


def test_looking_for_images_that_are_all_there_changes_no_recipe(
    raw_and_images: tuple[Path, Path], tmp_path: Path
) -> None:
    raw, images = raw_and_images
    draw_images(raw, images, seed=0)
    manifest, _ = run(written(tmp_path, RECIPE), Options(raw, tmp_path / "out", images=images))
    assert manifest.overrides == {}
    assert "image was missing" not in (tmp_path / "out" / "README.md").read_text()


def test_no_images_folder_is_an_error(made_up_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"--images .*: no such folder"):
        run(written(tmp_path, RECIPE), Options(made_up_raw, tmp_path / "out", images=tmp_path / "none"))
