"""Ids and sizes of the images that the made-up sources share.

Every id is a bijection of a small index (times a constant, modulo a prime), so ids are scattered over the
real range, never repeat, and two sources that draw the same index name the same image.
"""

from random import Random
from zlib import crc32

from mix665k.builders.synthetic.files import scaled

TRAIN2014 = 82_783  # images of COCO train2014, all of them in VQAv2
TRAIN2017 = 118_287  # train2014 and most of val2014
VG_IMAGES = 108_077
COCO_SIZES = ((640, 480), (640, 427), (480, 640), (640, 426), (427, 640), (500, 375), (640, 640), (612, 612))
COVER_SIZES = ((331, 500), (400, 500), (500, 500), (310, 475))
WEB_SIZES = ((448, 336), (336, 336), (336, 448), (500, 336), (336, 600))
VG_SIZES = ((800, 600), (1024, 768), (500, 375), (375, 500), (640, 480), (1024, 683), (683, 1024), (500, 333))


def coco_id(index: int) -> int:
    """The COCO id of an image; the first `TRAIN2014` indices are train2014's."""
    return 1 + index * 387_281 % 581_921


def coco_size(image_id: int) -> tuple[int, int]:
    """Width and height of a COCO image."""
    return COCO_SIZES[image_id % 11 % len(COCO_SIZES)]


def vg_id(index: int) -> int:
    """The Visual Genome id of an image, which GQA shares."""
    return 1 + index * 1_543_211 % 2_417_983


def vg_size(image_id: int) -> tuple[int, int]:
    """Width and height of a Visual Genome image."""
    return VG_SIZES[image_id % 13 % len(VG_SIZES)]


def vg_folder(image_id: int) -> str:
    """The folder of a Visual Genome image; about six in ten lie in the first, as upstream."""
    return "VG_100K" if image_id % 5 < 3 else "VG_100K_2"


def guessed_size(name: str, sizes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """One of the sizes, always the same for a name; for images whose size no raw file states."""
    return sizes[crc32(name.encode()) % len(sizes)]


def open_images_id(index: int) -> str:
    """The sixteen hexadecimal digits that name an OpenImages picture."""
    return f"{(index + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}"


def drawn_coco_ids(rng: Random, scale: float, *, num: int, among: int) -> list[int]:
    """`num` different COCO ids in random order, out of the first `among` images at this scale."""
    return [coco_id(index) for index in rng.sample(range(max(num, scaled(among, scale))), k=num)]
