"""The images of a gallery, small enough to stand inside the page."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from mix665k.schemas.boxes import Size
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.images.places import images_at
from mix665k.schemas.pictures import UNDECODABLE, open_picture, to_rgb, why_undecodable

LONG_SIDE_PX = 512
"""LLaVA-1.5 sees 336; twenty to forty kilobytes at this size."""
_QUALITY = 75


class Picture(NamedTuple):
    """An image by its path below the images folder: the original's size and a small copy as a data URI.

    Where there is nothing to show both are None, and `why` says why.
    """

    path: str
    size: Size | None = None
    uri: str | None = None
    why: str = ""


def read_picture(path: str, *, folder: Path | None) -> Picture:
    """The image of a record, as its pixels are stored: a turn that only EXIF tells of is not made, as in training."""
    if folder is None:
        return Picture(path, why="no images folder was given")
    if name_fault(path):
        return Picture(path, why="not a path below the images folder")
    try:
        with open_picture(io.BytesIO(images_at(folder).read(path))) as image:
            size = Size(*image.size)
            image.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))
            small = to_rgb(image)
            small.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX))
    except FileNotFoundError:
        return Picture(path, why="not in the images folder")
    except UNDECODABLE as error:
        return Picture(path, why=f"cannot be shown: {why_undecodable(error)}")
    return Picture(path, size=size, uri=_data_uri(small))


def _data_uri(image: Image.Image) -> str:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
