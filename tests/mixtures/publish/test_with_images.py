"""Publishing with images: each stands in its record, and nothing that is no image of the folder goes out."""

import errno
import io
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.publish.with_images import plan_parts
from mix665k.mixtures.verify.intact import verify_mixture
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.images.places import images_at
from mix665k.schemas.images.remote import images_at_address
from mix665k.schemas.manifest import load_manifest
from mix665k.schemas.remote import _system
from tests.loopback_hub import Hub
from tests.mixtures.publish.loading import rows_of
from tests.mixtures.small import change_rows, run

COLOURS = {
    "gqa/images/2327515.jpg": (255, 0, 0),
    "gqa/images/0012.jpg": (0, 255, 0),
    "gqa/images/n166008.jpg": (0, 0, 255),
    "mine/7.jpg": (255, 255, 255),
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The images that the small mixture names."""
    for name, colour in COLOURS.items():
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), colour).save(tmp_path / "images" / name)
    return tmp_path / "images"


def dry_run(mixture: Path, images: Path, out: Path) -> Path:
    shown = run("publish", mixture, "me/mix", "--dry-run", "--out", out, "--with-images", images, "--jobs", "1")
    assert (shown.exit_code, shown.stderr) == (0, ""), shown.output
    return out


def loaded(folder: Path, name: str, tmp_path: Path) -> list[dict[str, Any]]:
    found = datasets.load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path / "cache"))
    assert found.features["image"] == datasets.Image()
    return list(found.cast_column("image", datasets.Image(decode=False)))


def test_each_record_comes_back_with_its_image(small: Path, images: Path, tmp_path: Path) -> None:
    folder = dry_run(small, images, tmp_path / "out")
    expected = {name: rows for name, rows in rows_of(small).items() if name != "sharegpt"}
    for name, rows in expected.items():
        found = loaded(folder, f"{name}-with-images", tmp_path)
        for row, one in zip(rows, found, strict=True):
            picture = one.pop("image")
            assert one == {key: value for key, value in row.items() if key != "image"}
            if row["image"] is None:
                assert picture is None
                continue
            assert (picture["path"], picture["bytes"]) == (row["image"], (images / row["image"]).read_bytes())
    config = datasets.load_dataset(str(folder), split="train", streaming=True)
    assert next(iter(config))["image"].getpixel((1, 1))[0] > 250


def test_the_mixture_itself_is_published_as_it_is(small: Path, images: Path, tmp_path: Path) -> None:
    folder = dry_run(small, images, tmp_path / "out")
    assert (folder / "manifest.json").read_bytes() == (small / "manifest.json").read_bytes()
    assert verify_mixture(folder, advance=lambda share: None).ok
    assert sorted(path.name for path in (folder / "images").iterdir()) == [
        f"{name}-00000-of-00001.parquet" for name in ("gqa", "mine", "sharegpt")
    ]


def test_images_are_sent_once_and_the_same_again_changes_nothing(loopback: Hub, small: Path, images: Path) -> None:
    asked: list[str | Path] = ["publish", small, "me/mix", "--with-images", images, "--jobs", "1"]
    loopback.fail("PUT", "/lfs/", status=400, after=4)
    assert run(*asked).exit_code == 1
    loopback.failures.clear()
    loopback.requests.clear()
    stored = len(loopback.stored)
    assert run(*asked).exit_code == 0
    assert (stored, loopback.asked("PUT /lfs")) == (4, 2)
    assert run(*asked).stdout.startswith("nothing new, 5 records in 11 files")
    assert len(loopback.commits("datasets/me/mix")) == 2
    assert run("publish", small, "me/mix", "--jobs", "1").exit_code == 0
    assert not any(path.startswith("images/") for path in loopback.files("datasets/me/mix"))


def test_commercial_use_asks_for_the_images_too_where_they_go_out(tiny_mixture: Path, tmp_path: Path) -> None:
    asked: list[str | Path] = ["publish", tiny_mixture, "me/mix", "--dry-run", "--commercial-only", "--jobs", "1"]
    asked += ["--out", tmp_path / "out"]
    shown = run(*asked, "--with-images", tmp_path, "--format", "json")
    assert "images are missing or empty, the first is 'vg/VG_100K" in shown.stderr
    shown = run(*asked, "--format", "json")
    assert [one["name"] for one in json.loads(shown.stdout)["left_out"]] == ["llava_instruct", "ocrvqa", "sharegpt"]


def test_full_files_are_followed_by_others(
    small: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = max((images / name).stat().st_size for name in COLOURS)
    monkeypatch.setattr("mix665k.mixtures.publish.with_images.MAX_BYTES", 2 * size)
    parts = plan_parts(Mixture.open(small), load_manifest(small).sources, images)
    assert {name: [tuple(part) for part in found] for name, found in parts.items()} == {
        "gqa": [("images/gqa-00000-of-00002.parquet", 2), ("images/gqa-00001-of-00002.parquet", 1)],
        "sharegpt": [("images/sharegpt-00000-of-00001.parquet", 1)],
        "mine": [("images/mine-00000-of-00001.parquet", 1)],
    }
    folder = dry_run(small, images, tmp_path / "out")
    assert [row["id"] for row in loaded(folder, "gqa-with-images", tmp_path)] == [
        row["id"] for row in rows_of(small)["gqa"]
    ]
    monkeypatch.setattr("mix665k.mixtures.publish.with_images.MAX_BYTES", 1)
    assert [part.rows for part in plan_parts(Mixture.open(small), load_manifest(small).sources, images)["gqa"]] == [
        1,
        1,
        1,
    ]


def test_a_file_of_several_row_groups_has_every_record_once(
    small: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mix665k.mixtures.publish.with_images._ROWS_PER_GROUP", 2)
    folder = dry_run(small, images, tmp_path / "out")
    assert [row["id"] for row in loaded(folder, "gqa-with-images", tmp_path)] == [
        row["id"] for row in rows_of(small)["gqa"]
    ]


def test_images_are_stored_as_they_are(small: Path, images: Path, tmp_path: Path) -> None:
    folder = dry_run(small, images, tmp_path / "out")
    footer = pq.read_metadata(folder / "images/gqa-00000-of-00001.parquet")
    columns = [footer.row_group(0).column(i) for i in range(footer.num_columns)]
    assert {c.path_in_schema: c.compression for c in columns if c.path_in_schema.startswith("i")} == {
        "id": "ZSTD",
        "image.bytes": "UNCOMPRESSED",
        "image.path": "ZSTD",
    }


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_images_stop_it_before_anything_is_sent(loopback: Hub, small: Path, images: Path, damage: str) -> None:
    (images / "gqa/images/0012.jpg").unlink()
    if damage == "empty":
        (images / "gqa/images/0012.jpg").touch()
    shown = run("publish", small, "me/mix", "--with-images", images, "--jobs", "1")
    assert "1 of 4 images are missing or empty, the first is 'gqa/images/0012.jpg'; `mix images` lists" in shown.stderr
    assert loopback.repositories == {}


def test_a_file_that_is_no_picture_is_not_published(loopback: Hub, small: Path, images: Path) -> None:
    (images / "mine/7.jpg").write_text("a letter")
    shown = run("publish", small, "me/mix", "--with-images", images, "--jobs", "1")
    assert "mine/7.jpg: no picture, expected one" in shown.stderr
    assert loopback.commits("datasets/me/mix") == ["initial commit"]


def test_a_full_disk_is_one_line(small: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter", full)
    shown = run(
        "publish", small, "me/mix", "--dry-run", "--out", tmp_path / "out", "--with-images", images, "--jobs", "1"
    )
    assert shown.stderr.endswith(": no space left on device; images are put together there, make room\n")
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "gqa/../../secret.jpg"])
def test_nothing_outside_the_folder_is_an_image(copy: Path, images: Path, name: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (2, 2)).save(content, "JPEG")
    (images.parent / "secret.jpg").write_bytes(content.getvalue())
    change_rows(copy, "mine", lambda rows: rows[0].update(image=name), hashes="all")
    with pytest.raises(MixtureError, match="1 of 4 images are missing"):
        plan_parts(Mixture.open(copy), load_manifest(copy).sources, images)


def test_what_was_published_is_where_pictures_come_from(
    small: Path, images: Path, tmp_path: Path, loopback: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run("publish", small, "me/mix", "--with-images", images, "--jobs", "1").exit_code == 0
    _system.cache_clear()
    images_at_address.cache_clear()
    found = images_at(Path("hf://datasets/me/mix"))
    assert {name: found.read(name) for name in COLOURS} == {name: (images / name).read_bytes() for name in COLOURS}
    shown = run("inspect", small, "--html", tmp_path / "page.html", "--images", "hf://datasets/me/mix")
    assert (shown.exit_code, "not shown" in shown.output) == (0, False), shown.output
    none = run("images", small, "--images", "hf://datasets/me/none", "--jobs", "1")
    assert (none.exit_code, none.stderr.count("\n")) == (1, 1)
    assert "hf://datasets/me/none: nothing is there, expected pictures" in none.stderr
    _system.cache_clear()
