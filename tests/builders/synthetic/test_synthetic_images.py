"""Drawing a picture for every image that the made-up raw files name."""

from pathlib import Path
from zlib import crc32

import pytest
from PIL import Image

from mix665k.builders.synthetic import draw_images, write_raw
from mix665k.builders.synthetic.images import GREY_ONE_IN, draw_picture
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


def _draw(path: Path, picture: Picture, *, long_side_px: int = 80) -> Image.Image:
    draw_picture(path, picture, long_side_px=long_side_px, quality=95)
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((640, 480), (80, 60)), ((480, 640), (60, 80)), ((10, 10), (80, 80)), ((10_000, 20), (80, 1))],
)
def test_a_picture_keeps_its_shape_with_the_long_side_given(
    tmp_path: Path, size: tuple[int, int], drawn: tuple[int, int]
) -> None:
    assert _draw(tmp_path / "a.jpg", Picture("a.jpg", size)).size == drawn


def test_a_box_is_outlined_where_it_is(tmp_path: Path) -> None:
    name = next(f"{i}.jpg" for i in range(99) if crc32(f"{i}.jpg".encode()) % GREY_ONE_IN)
    plain = _draw(tmp_path / "plain.jpg", Picture(name, (100, 100)), long_side_px=100)
    boxed = _draw(tmp_path / "boxed.jpg", Picture(name, (100, 100), ((20, 30, 40, 50),)), long_side_px=100)

    def changed(x: int, y: int) -> int:
        before, after = plain.getpixel((x, y)), boxed.getpixel((x, y))
        assert isinstance(before, tuple)
        assert isinstance(after, tuple)
        return sum(abs(a - b) for a, b in zip(before, after, strict=True))

    assert all(changed(x, y) > 60 for x, y in ((20, 55), (60, 55), (40, 30), (40, 80)))  # on its four edges
    assert all(changed(x, y) < 30 for x, y in ((40, 55), (90, 5), (5, 90), (90, 90)))  # inside and outside


def test_pictures_of_different_names_differ_and_one_in_forty_is_grey(tmp_path: Path) -> None:
    images = [_draw(tmp_path / "a.jpg", Picture(f"{i}.jpg", (64, 64)), long_side_px=16) for i in range(200)]

    grey = [i for i in range(200) if crc32(f"{i}.jpg".encode()) % GREY_ONE_IN == 0]
    assert [i for i, image in enumerate(images) if image.mode == "L"] == grey
    assert len({image.tobytes() for image in images}) > 190
