"""What a picture looks like, in 64 bits: nearly equal pictures differ in few of them.

The difference hash: of 9 by 8 blocks of mean brightness, whether each is brighter than its right neighbour. Means are
whole numbers of this module's own, so no version of an image library scales them otherwise.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mix665k.schemas.images.folder import Images
from mix665k.schemas.images.places import images_at
from mix665k.schemas.pictures import UNDECODABLE, open_picture, to_rgb

PRELOAD = "mix665k.mixtures.balance.pictures"
MAX_DISTANCE = 3
"""Bits in which nearly equal pictures may differ; with four parts of 16 bits they then have one in common."""
_ACROSS, _DOWN = 9, 8


class Look(NamedTuple):
    """The hash of a picture; None where it cannot be decoded or is so uniform that the hash says nothing of it."""

    path: str
    bits: int | None


def looks_of(paths: Sequence[str], *, folder: Path) -> list[Look]:
    """The hashes of pictures, files below a folder or in shards."""
    images = images_at(folder)
    return [Look(path, _look(images, path)) for path in paths]


def _look(images: Images, name: str) -> int | None:
    try:
        with open_picture(BytesIO(images.read(name))) as picture:
            pixels = np.asarray(to_rgb(picture))
    except (*UNDECODABLE, OSError, ValueError):
        return None
    return bits_of(pixels)


def bits_of(pixels: np.ndarray) -> int | None:
    """The hash of a picture of shape (height, width, 3), bytes; None for one of fewer than 9 by 8 pixels."""
    height, width, _ = pixels.shape
    if height < _DOWN or width < _ACROSS:
        return None
    brightness = pixels.astype(np.int64) @ np.array([299, 587, 114])
    rows = np.arange(_DOWN + 1) * height // _DOWN
    columns = np.arange(_ACROSS + 1) * width // _ACROSS
    sums = np.add.reduceat(np.add.reduceat(brightness, rows[:-1], axis=0), columns[:-1], axis=1)
    means = sums // (np.diff(rows)[:, None] * np.diff(columns) * 1000)
    brighter = means[:, 1:] > means[:, :-1]
    found = int.from_bytes(np.packbits(brighter).tobytes(), "big")
    return found if 8 <= found.bit_count() <= 56 else None


def parts(bits: int) -> list[tuple[int, int]]:
    """The four parts of a hash; two that differ in at most `MAX_DISTANCE` bits have one in common."""
    return [(i, bits >> 16 * i & 0xFFFF) for i in range(4)]
