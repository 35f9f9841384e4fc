"""The content of image files: a hash of the bytes, and one of the pixels, which another file may have too.

A perceptual hash would also find resized and recompressed copies, but calls some different pictures equal, wherever its
threshold is put; what is reported here is certain.
"""

import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from mix665k.mixtures.images.decoding import FORMAT_OF
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.images.folder import Images
from mix665k.schemas.images.places import images_at
from mix665k.schemas.pictures import UNDECODABLE, open_picture, to_rgb

PRELOAD = "mix665k.mixtures.contamination.content"


class Content(NamedTuple):
    """Of one file: SHA-256 of its bytes and of its pixels, and its width and height.

    Without bytes it cannot be read. Without pixels it was not decoded, as its bytes say all or no picture of its size
    is sought; without a size as well it could not be.
    """

    path: str
    bytes: str | None
    pixels: str | None = None
    size: tuple[int, int] | None = None


class Sought(NamedTuple):
    """What images are compared with; without sizes every picture is decoded."""

    bytes: frozenset[str] = frozenset()
    sizes: frozenset[tuple[int, int]] | None = None


def contents_of(paths: Sequence[str], *, folder: Path, sought: Sought) -> list[Content]:
    """The content of pictures, files below a folder or in shards."""
    images = images_at(folder)
    return [_content_of(path, images, sought) for path in paths]


def _content_of(path: str, images: Images, sought: Sought) -> Content:
    try:
        data = images.read(path)
    except (OSError, ValueError):
        return Content(path, None)
    digest = hashlib.sha256(data).hexdigest()
    if digest in sought.bytes:
        return Content(path, digest)
    try:
        with open_picture(BytesIO(data)) as picture:
            size = picture.size
            if sought.sizes is not None and size not in sought.sizes:
                return Content(path=path, bytes=digest, pixels=None, size=size)
            pixels = hashlib.sha256(f"{size}".encode() + to_rgb(picture).tobytes()).hexdigest()
    except UNDECODABLE:
        return Content(path, digest)
    return Content(path=path, bytes=digest, pixels=pixels, size=size)


def image_files(folder: Path) -> list[str]:
    """The images below a folder, by their paths from there.

    Raises:
        MixtureError: for a name that is not UTF-8.
    """
    files = (path for path in folder.rglob("*") if path.suffix.lower() in FORMAT_OF and path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    for name in names:
        if any("\ud800" <= char <= "\udfff" for char in name):
            raise MixtureError(f"{folder}: {name!r} is not UTF-8; rename it")
    return names
