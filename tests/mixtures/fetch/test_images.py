"""Image archives, laid out as the trainer reads them."""

import json
from pathlib import Path

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.fetch.downloads import image_jobs
from tests.mixtures.fetch.packing import below, zipped
from tests.mixtures.fetch.server import Publisher
from tests.mixtures.small import run

ARCHIVES = {
    "/coco/train2017.zip": {"train2017/000000000009.jpg": b"a", "train2017/000000000025.jpg": b"b"},
    "/gqa/images.zip": {"images/1.jpg": b"c", "images/n2.jpg": b"d"},
    "/textvqa/train_val_images.zip": {"train_images/0a.jpg": b"e", "__MACOSX/train_images/._0a.jpg": b"no"},
    "/vg/images.zip": {"VG_100K/1.jpg": b"f"},
    "/vg/images2.zip": {"VG_100K_2/2.jpg": b"g", "VG_100K_2/": b""},
}
LAID_OUT = {
    "coco/train2017/000000000009.jpg": b"a",
    "coco/train2017/000000000025.jpg": b"b",
    "gqa/images/1.jpg": b"c",
    "gqa/images/n2.jpg": b"d",
    "textvqa/train_images/0a.jpg": b"e",
    "vg/VG_100K/1.jpg": b"f",
    "vg/VG_100K_2/2.jpg": b"g",
}
SOURCES_WITH_ARCHIVES = ("vqav2", "gqa", "textcaps", "vg", "refcoco")


@pytest.fixture
def mirror(publisher: Publisher) -> Publisher:
    """A mirror of small archives."""
    publisher.files |= {path: zipped(members) for path, members in ARCHIVES.items()}
    return publisher


def fetched(mirror: Publisher, images: Path, *more: str) -> dict[str, str]:
    """The notes, or else the states, of what was fetched."""
    arguments = ["--mirror", mirror.url, "--accept-changed", "--format", "json", *more]
    sources = [part for name in SOURCES_WITH_ARCHIVES for part in ("--source", name)]
    shown = run("fetch", *sources, "--images", images, *arguments)
    return {file["name"]: file["note"] or file["state"] for file in json.loads(shown.stdout)["files"]}


def test_images_are_laid_out_as_the_mixture_names_them(mirror: Publisher, tmp_path: Path) -> None:
    assert fetched(mirror, tmp_path) == dict.fromkeys((path[1:] for path in ARCHIVES), "fetched")
    left = below(tmp_path)
    assert {name: left[name] for name in LAID_OUT} == LAID_OUT
    assert left.keys() - LAID_OUT.keys() == {"fetched.json", ".fetch.lock"}


def test_images_that_are_there_are_not_asked_for_again(mirror: Publisher, tmp_path: Path) -> None:
    fetched(mirror, tmp_path)
    asked = len(mirror.asked)
    assert set(fetched(mirror, tmp_path).values()) == {"there"}
    assert len(mirror.asked) == asked


def test_an_image_that_was_removed_is_fetched_again(mirror: Publisher, tmp_path: Path) -> None:
    fetched(mirror, tmp_path)
    (tmp_path / "gqa/images/n2.jpg").unlink()
    assert fetched(mirror, tmp_path)["gqa/images.zip"] == "fetched"
    assert (tmp_path / "gqa/images/n2.jpg").read_bytes() == b"d"


def test_images_put_there_by_hand_stay(mirror: Publisher, tmp_path: Path) -> None:
    (tmp_path / "vg/VG_100K").mkdir(parents=True)
    (tmp_path / "vg/VG_100K/7.jpg").write_bytes(b"mine")
    assert fetched(mirror, tmp_path)["vg/images.zip"] == "1 images put there by hand, not checked"
    assert mirror.times("/vg/images.zip") == 0


def test_an_unpacking_that_was_cut_short_goes_on(mirror: Publisher, tmp_path: Path) -> None:
    fetched(mirror, tmp_path, "--keep-archives")
    record = json.loads((tmp_path / "fetched.json").read_text())
    record["downloads"]["coco/train2017.zip"]["images"] = 0
    (tmp_path / "fetched.json").write_text(json.dumps(record))
    (tmp_path / "coco/train2017/000000000025.jpg").unlink()
    assert fetched(mirror, tmp_path)["coco/train2017.zip"] == "fetched"
    assert mirror.times("/coco/train2017.zip") == 1
    assert (tmp_path / "coco/train2017/000000000025.jpg").read_bytes() == b"b"
    assert not (tmp_path / "coco/train2017.zip").exists()


def test_an_archive_with_a_way_out_is_refused(mirror: Publisher, tmp_path: Path) -> None:
    mirror.files["/gqa/images.zip"] = zipped({"images/../../../evil.jpg": b"x"})
    assert "is no path below a folder" in fetched(mirror, tmp_path / "images")["gqa/images.zip"]
    assert not list(tmp_path.rglob("*evil*"))


def test_an_archive_of_something_else_is_an_error(mirror: Publisher, tmp_path: Path) -> None:
    mirror.files["/gqa/images.zip"] = zipped({"photos/1.jpg": b"x"})
    assert "nothing in it for gqa/images; is it the right archive?" in fetched(mirror, tmp_path)["gqa/images.zip"]


def test_the_folders_of_the_archives_are_those_of_the_mixture() -> None:
    found = [job.images.folder for job in image_jobs(SOURCES.values(), Path("images")) if job.images]
    assert sorted(found) == ["coco/train2017", "gqa/images", "textvqa/train_images", "vg/VG_100K", "vg/VG_100K_2"]
