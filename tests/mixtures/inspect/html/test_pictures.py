"""Images of a gallery: small, as their pixels are stored, and never an error."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from mix665k.mixtures.inspect.html.pictures import LONG_SIDE_PX, read_picture
from mix665k.schemas.boxes import Size
from tests.mixtures.inspect.html.pages import draw


def opened(uri: str | None) -> Image.Image:
    assert uri
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


@pytest.mark.parametrize(("size", "small"), [((2000, 1000), (512, 256)), ((30, 40), (30, 40)), ((1, 3000), (1, 512))])
def test_an_image_is_made_small_and_tells_its_size(
    tmp_path: Path, size: tuple[int, int], small: tuple[int, int]
) -> None:
    draw(tmp_path / "a" / "1.jpg", size)
    picture = read_picture("a/1.jpg", folder=tmp_path)
    assert picture.size == Size(*size)
    assert opened(picture.uri).size == small
    assert max(small) <= LONG_SIDE_PX


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "I;16", "1"])
def test_every_mode_becomes_a_jpeg(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (20, 10)).save(tmp_path / ("1.jpg" if mode == "CMYK" else "1.png"))
    name = next(tmp_path.iterdir()).name
    assert opened(read_picture(name, folder=tmp_path).uri).mode == "RGB"


def test_an_image_is_not_turned_by_its_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("RGB", (40, 20)).save(tmp_path / "1.jpg", exif=exif)
    picture = read_picture("1.jpg", folder=tmp_path)
    assert (picture.size, opened(picture.uri).size) == (Size(40, 20), (40, 20))
    assert not opened(picture.uri).getexif()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none.jpg", "not in the images folder"),
        ("text.jpg", "cannot be shown: cannot identify image file"),
        ("cut.jpg", "cannot be shown: image file is truncated"),
        ("empty.jpg", "cannot be shown: cannot identify image file"),
        ("folder", "cannot be shown: "),
        ("../outside.jpg", "not a path below the images folder"),
        ("/outside.jpg", "not a path below the images folder"),
        ("a\0b.jpg", "not a path below the images folder"),
    ],
)
def test_what_cannot_be_shown_says_why(tmp_path: Path, path: str, why: str) -> None:
    images = tmp_path / "images"
    whole = draw(images / "whole.jpg", (300, 200)).read_bytes()
    draw(tmp_path / "outside.jpg", (30, 20))
    (images / "text.jpg").write_text("no picture")
    (images / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "empty.jpg").touch()
    (images / "folder").mkdir()
    picture = read_picture(path, folder=images)
    assert (picture.size, picture.uri) == (None, None)
    assert picture.why.startswith(why)


def test_without_a_folder_nothing_is_looked_for() -> None:
    assert read_picture("a.jpg", folder=None).why == "no images folder was given"
