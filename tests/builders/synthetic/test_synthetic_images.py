"""Drawing a picture for every image that the made-up raw files name."""

from pathlib import Path

import pytest
from PIL import Image

from mix665k.builders.synthetic import draw_images, write_raw
from mix665k.builders.synthetic.images import draw_picture
from mix665k.builders.synthetic.pictures import Picture, named_pictures
from mix665k.builders.synthetic.scenes import make_scene


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    write_raw(root, scale=0.0005, seed=0)
    return root


@pytest.fixture(scope="module")
def drawn(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("images")
    assert draw_images(raw, out, seed=0) == len(named_pictures(raw))
    return out


def folder_of(picture: Picture) -> str:
    return picture.path.rsplit("/", 1)[0]


def test_every_named_image_is_drawn_in_its_shape(raw: Path, drawn: Path) -> None:
    modes = set()
    for picture in named_pictures(raw):
        with Image.open(drawn / picture.path) as image:
            image.load()
            assert image.format == "JPEG"
            assert max(image.size) == 128
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


def test_drawing_again_gives_the_same_bytes(raw: Path, drawn: Path, tmp_path: Path) -> None:
    draw_images(raw, tmp_path, seed=0)
    assert all((tmp_path / p.path).read_bytes() == (drawn / p.path).read_bytes() for p in named_pictures(raw))


def test_only_sources_that_are_there_are_drawn(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", scale=0.0001, seed=0, only=["okvqa"])
    assert draw_images(tmp_path / "raw", tmp_path / "images", seed=0) == 4


def _draw(path: Path, picture: Picture, *, long_side_px: int = 80) -> Image.Image:
    draw_picture(path, picture, seed=0, long_side_px=long_side_px, quality=95)
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
    assert _draw(tmp_path / "a.jpg", Picture("a.jpg", size, scene="a")).size == drawn


def test_a_shape_is_drawn_where_its_scene_has_it_and_its_ground_elsewhere(tmp_path: Path) -> None:
    scene = make_scene("coco/1", (100, 100), seed=0)
    image = _draw(tmp_path / "a.jpg", Picture("a.jpg", (100, 100), scene="coco/1"), long_side_px=100)

    def near(x: float, y: float, color: str) -> bool:
        pixel = image.getpixel((int(x), int(y)))
        assert isinstance(pixel, tuple)
        return all(abs(a - b) < 30 for a, b in zip(pixel, scene.palette[color], strict=True))

    assert scene.shapes
    for shape in scene.shapes:
        x, y, width, height = shape.box
        assert near(x + width / 2, y + height / 2, shape.color)
        for outside in (x - 3, x + width + 3):
            if 0 <= outside < 100 and len(scene.shapes) == 1:
                assert near(outside, y + height / 2, scene.ground)


def test_pictures_of_different_names_differ_and_one_in_forty_is_grey(tmp_path: Path) -> None:
    names = [f"web/{number}" for number in range(200)]
    images = [_draw(tmp_path / "a.jpg", Picture("a.jpg", (64, 64), scene=name), long_side_px=32) for name in names]

    grey = [number for number, name in enumerate(names) if make_scene(name, (64, 64), seed=0).grey]
    assert 1 < len(grey) < 12
    assert [i for i, image in enumerate(images) if image.mode == "L"] == grey
    assert len({image.tobytes() for image in images}) > 190
