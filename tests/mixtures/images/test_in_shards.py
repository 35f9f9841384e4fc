"""Every command of `mix` that takes pictures takes them out of shards: what publishing and exporting wrote."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.mixture import Mixture
from tests.mixtures.small import run
from tests.schemas.images.packing import jpeg, write_files, write_tar


@pytest.fixture
def files(small: Path, tmp_path: Path) -> Path:
    """A picture for every name of the mixture."""
    names = dict.fromkeys(one.image for one in Mixture.open(small).records() if one.image)
    return write_files(tmp_path / "files", {name: jpeg(i) for i, name in enumerate(names)})


@pytest.fixture
def places(small: Path, files: Path, tmp_path: Path) -> dict[str, Path]:
    """The same pictures as a published mixture, as its Parquet files alone, as WebDataset shards and as one tar."""
    run("publish", small, "me/mix", "--dry-run", "--out", tmp_path / "published", "--with-images", files, "--jobs", "1")
    run("export", small, "--format", "webdataset", "--images", files, "--out", tmp_path / "samples")
    contents = {path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*.jpg")}
    return {
        "published": tmp_path / "published",
        "parquet": tmp_path / "published/images",
        "webdataset": tmp_path / "samples",
        "tar": write_tar(tmp_path / "images.tar", contents),
    }


def _images(small: Path, images: Path, *options: str) -> dict[str, Any]:
    shown = run("images", small, "--images", images, "--min-side", "1", "--jobs", "1", "--format", "json", *options)
    found: dict[str, Any] = json.loads(shown.stdout)
    return {name: value for name, value in found.items() if name != "folder"}


def test_they_are_checked_published_and_exported_as_loose_files_are(
    small: Path, files: Path, places: dict[str, Path], tmp_path: Path
) -> None:
    checked = _images(small, files)
    assert checked["bad"] == []
    tar = (tmp_path / "samples/train-000000.tar").read_bytes()
    parquet = {path.name: path.read_bytes() for path in places["parquet"].glob("*.parquet")}
    for form, place in places.items():
        assert _images(small, place) == checked, form
        out = tmp_path / f"again-{form}"
        shown = run("export", small, "--format", "webdataset", "--images", place, "--out", out)
        assert (shown.exit_code, (out / "train-000000.tar").read_bytes()) == (0, tar), form
    out = tmp_path / "republished"
    shown = run("publish", small, "me/mix", "--dry-run", "--out", out, "--with-images", places["tar"], "--jobs", "1")
    assert shown.exit_code == 0, shown.output
    assert {path.name: path.read_bytes() for path in (out / "images").glob("*.parquet")} == parquet


def test_a_page_shows_them(small: Path, places: dict[str, Path], tmp_path: Path) -> None:
    shown = run("inspect", small, "--html", tmp_path / "page.html", "--images", places["parquet"])
    assert (shown.exit_code, "not shown" in shown.output) == (0, False), shown.output
    assert "data:image/jpeg;base64," in (tmp_path / "page.html").read_text()


def test_one_that_is_missing_cut_or_called_otherwise_is_found(small: Path, files: Path, tmp_path: Path) -> None:
    names = sorted(path.relative_to(files).as_posix() for path in files.rglob("*.jpg"))
    contents = {name: (files / name).read_bytes() for name in names}
    contents[names[1]] = contents[names[1]][:-30]
    contents[names[2].replace("/n", "/N")] = contents.pop(names[2])
    del contents[names[0]]
    write_tar(tmp_path / "shards/a.tar", contents)
    bad = {one["image"]: one["finding"] for one in _images(small, tmp_path / "shards")["bad"]}
    assert bad == {names[0]: "missing", names[1]: "truncated", names[2]: "wrong case"}


def test_shards_are_not_mended(small: Path, places: dict[str, Path]) -> None:
    shown = run("images", small, "--images", places["tar"], "--fix")
    assert shown.exit_code == 1
    assert "shards, in which --fix changes nothing; unpack them, or leave it out" in shown.stderr


def test_a_build_looks_for_its_pictures_in_shards(made_up_raw: Path, tmp_path: Path) -> None:
    write_tar(tmp_path / "shards/a.tar", {"other.jpg": jpeg(1)})
    shown = run(
        *("build", "tiny", "--raw", made_up_raw, "--out", tmp_path / "out", "--source", "gqa", "--jobs", "1"),
        *("--images", tmp_path / "shards"),
    )
    assert shown.exit_code == 1
    assert f"records have no image under {tmp_path}/shards, the first is gqa/" in shown.stderr
