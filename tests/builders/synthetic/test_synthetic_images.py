"""Drawing a picture for every image that the made-up raw files name."""

from pathlib import Path

import pytest
from PIL import Image

from mix665k.builders.synthetic import draw_images, write_raw
from mix665k.builders.synthetic.pictures import Picture, named_pictures


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    write_raw(root, scale=0.0005, seed=0)
    return root


@pytest.fixture(scope="module")
def drawn(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("images")
    assert draw_images(raw, out) == len(named_pictures(raw))
    return out


def folder_of(picture: Picture) -> str:
    return picture.path.rsplit("/", 1)[0]


def test_every_named_image_is_drawn_in_its_shape(raw: Path, drawn: Path) -> None:
    modes = set()
    for picture in named_pictures(raw):
        with Image.open(drawn / picture.path) as image:
            image.load()
            assert image.format == "JPEG"
            assert max(image.size) == 80
            assert image.width / image.height == pytest.approx(picture.size[0] / picture.size[1], abs=0.03)
            modes.add(image.mode)
    assert modes == {"RGB", "L"}


def test_images_lie_where_the_mixture_looks(raw: Path) -> None:
    folders = {folder_of(picture) for picture in named_pictures(raw)}
    named = {folder for folder in folders if not folder.isdigit()}
    assert named == {
        "coco/train2017",
        "gqa/images",
        "ocr_vqa/images",
        "textvqa/train_images",
        "vg/VG_100K",
        "vg/VG_100K_2",
    }
    assert all(len(folder) == 5 for folder in folders - named)  # LCS-558K's own folders


def test_boxes_are_known_for_visual_genome_and_refcoco(raw: Path) -> None:
    with_boxes = {folder_of(picture) for picture in named_pictures(raw) if picture.boxes}
    assert with_boxes == {"coco/train2017", "vg/VG_100K", "vg/VG_100K_2"}


def test_drawing_again_gives_the_same_bytes(raw: Path, drawn: Path, tmp_path: Path) -> None:
    draw_images(raw, tmp_path)
    assert all((tmp_path / p.path).read_bytes() == (drawn / p.path).read_bytes() for p in named_pictures(raw))


def test_only_sources_that_are_there_are_drawn(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", scale=0.0001, seed=0, only=["okvqa"])
    assert draw_images(tmp_path / "raw", tmp_path / "images") == 4
