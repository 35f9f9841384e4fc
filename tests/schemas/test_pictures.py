"""Pictures of every kind become 8-bit RGB by one rule."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mix665k.schemas.pictures import UNDECODABLE, is_turned, open_picture, to_rgb


def grey(values: list[Any], dtype: str) -> Image.Image:
    """A picture of one row."""
    return Image.fromarray(np.array([values], dtype=dtype))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 255, 256, 32_768, 65_535], "uint16", [0, 0, 1, 128, 255]),
        ([0, 1, 128, 255], "int32", [0, 1, 128, 255]),
        ([0, 256, 65_535], "int32", [0, 1, 255]),
        ([-100, 0, 100], "int32", [0, 127, 255]),
        ([0, 1_000_000], "int32", [0, 255]),
        ([0.0, 0.5, 1.0], "float32", [0, 127, 255]),
        ([0.0, 128.0, 255.0], "float32", [0, 128, 255]),
        ([-1.0, 0.0, 1.0], "float32", [0, 127, 255]),
        ([float("nan"), 1e9, float("inf")], "float32", [0, 255, 0]),
        ([7, 7], "uint16", [0, 0]),
    ],
)
def test_more_than_8_bits_are_scaled_by_one_rule(values: list[Any], dtype: str, expected: list[int]) -> None:
    assert np.asarray(to_rgb(grey(values, dtype)))[0, :, 0].tolist() == expected


def test_a_picture_of_16_bits_survives_a_file(tmp_path: Path) -> None:
    grey([0, 32_768, 65_535], "uint16").save(tmp_path / "a.png")
    grey([0, 32_768, 65_535], "uint16").save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        assert np.asarray(to_rgb(open_picture(tmp_path / name))).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_what_is_transparent_is_dropped_or_put_on_a_colour() -> None:
    logo = Image.new("RGBA", (1, 1), (0, 0, 0, 0))
    assert to_rgb(logo).getpixel((0, 0)) == (0, 0, 0)
    assert to_rgb(logo, background=(255, 255, 255)).getpixel((0, 0)) == (255, 255, 255)
    half = Image.new("LA", (1, 1), (0, 128))
    assert to_rgb(half, background=(255, 255, 255)).getpixel((0, 0)) == (127, 127, 127)
    opaque = Image.new("RGB", (1, 1), (1, 2, 3))
    assert to_rgb(opaque, background=(255, 255, 255)).getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "PPM", "PCX", "SGI"])
def test_the_formats_of_data_sets_are_opened(form: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(content, form)
    content.seek(0)
    assert to_rgb(open_picture(content)).size == (8, 8)


@pytest.mark.parametrize("form", ["EPS", "PDF", "TGA", "ICNS"])
def test_a_format_that_runs_a_program_or_has_no_signature_is_no_picture(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16)).save(path, form)
    with pytest.raises(UNDECODABLE):
        open_picture(path)


def test_a_damaged_avif_is_a_bad_picture() -> None:
    if "AVIF" not in Image.OPEN:
        pytest.skip("Pillow without AVIF")
    content = io.BytesIO()
    Image.new("RGB", (32, 32), (9, 99, 199)).save(content, "AVIF")
    damaged = 0
    for place in range(0, len(content.getvalue()), 3):
        data = bytearray(content.getvalue())
        data[place] ^= 0xFF
        try:
            to_rgb(open_picture(io.BytesIO(bytes(data))))
        except UNDECODABLE:
            damaged += 1
    assert damaged > 10


def test_a_turn_that_only_exif_tells_of_is_seen() -> None:
    picture = Image.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6
    content = io.BytesIO()
    picture.save(content, "JPEG", exif=exif)
    assert is_turned(open_picture(content))
    plain = io.BytesIO()
    picture.save(plain, "JPEG")
    assert not is_turned(open_picture(plain))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 99, (99, 99, 99)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("YCbCr", (128, 128, 128), (128, 128, 128)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
    ],
)
def test_other_modes_are_converted_as_pillow_does(mode: str, colour: Any, expected: tuple[int, int, int]) -> None:
    assert to_rgb(Image.new(mode, (1, 1), colour)).getpixel((0, 0)) == expected
