"""Opening pictures: `mix images`, reports, publishing and training do it here, so that they agree on what one is."""

import struct
import subprocess
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from mix665k.schemas.errors import one_line
from mix665k.schemas.files import regular_file

Image.init()  # makes all formats known
FORMATS = tuple(
    name
    for name in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "PCX", "SGI")
    if name in Image.OPEN
)
"""What the web serves and data sets hold.

Pillow's other formats include some that run a program (EPS starts Ghostscript), unpack without limit, or have no
signature to be known by.
"""
UNDECODABLE = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, MemoryError, AttributeError,
    NotImplementedError, RuntimeError, struct.error, zlib.error, subprocess.SubprocessError,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises on bytes that are no picture; RuntimeError comes from AVIF."""
DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's modes of more than 8 bits a channel."""
Colour = tuple[int, int, int]


def open_picture(source: Path | IO[bytes]) -> Image.Image:
    """A picture of one of `FORMATS`, whose pixels are not decoded yet.

    Raises:
        Exception: one of `UNDECODABLE`.
    """
    return Image.open(regular_file(source) if isinstance(source, Path) else source, formats=FORMATS)


def to_rgb(picture: Image.Image, *, background: Colour | None = None) -> Image.Image:
    """The picture in 8-bit RGB; its orientation tag is ignored, as in LLaVA.

    Of 16 bits the upper 8 are kept. 32-bit integers and floats are taken as they are where they lie in 0..255 (floats
    in 0..1: times 255), integers in 0..65,535 as 16 bits, and others are scaled from their least to their greatest; NaN
    is black. Transparency is dropped, as LLaVA's `convert("RGB")` does, which mostly leaves black; with `background`
    the picture is put on that colour.

    Raises:
        Exception: one of `UNDECODABLE`.
    """
    if picture.mode in DEEP:
        return Image.fromarray(_eight_bits(np.asarray(picture), mode=picture.mode)).convert("RGB")
    if background is not None and picture.has_transparency_data:
        flat = Image.new("RGBA", picture.size, (*background, 255))
        flat.alpha_composite(picture.convert("RGBA"))
        return flat.convert("RGB")
    return picture.convert("RGB")


def why_undecodable(error: BaseException) -> str:
    """What Pillow said of bytes that are no picture, without the address in memory of what it read them from."""
    return "cannot identify image file" if isinstance(error, UnidentifiedImageError) else one_line(error)


def is_turned(picture: Image.Image) -> bool:
    """Whether its EXIF tag asks for a turn or a mirror, which training does not make."""
    return picture.getexif().get(0x0112, 1) not in (0, 1)


def _eight_bits(values: Any, *, mode: str) -> Any:
    """uint8 [H, W]."""
    if mode.startswith("I;16"):
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if mode == "F" and low >= 0 and high <= 1:
        values = values * 255
    elif mode == "I" and low >= 0 and 255 < high <= 65_535:
        values = values // 256
    elif low < 0 or high > 255:
        values = (values - low) * 255 / (high - low)
    return values.astype(np.uint8)
