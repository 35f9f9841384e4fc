"""Visual Genome: 5.4 million described regions on 108,077 images."""

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec

from builders.boxes import Box, Convention, Outside, RegionPairs, Size
from builders.draw import Draw
from builders.raw import RawFiles
from builders.registry import About, RawFile, source
from schemas.conversation import Conversation, Pair


class Region(msgspec.Struct, gc=False):
    """`{"region_id": 1382, "x": 421, "y": 57, "width": 82, "height": 139, "phrase": "the clock is green", …}`."""

    region_id: int
    x: float
    y: float
    width: float
    height: float
    phrase: str


class ImageRegions(msgspec.Struct, gc=False):
    """`{"id": 1, "regions": [about fifty]}`."""

    id: int
    regions: list[Region]


class ImageData(msgspec.Struct, gc=False):
    """`{"image_id": 1, "url": "https://…/VG_100K_2/1.jpg", "width": 800, "height": 600, …}`."""

    image_id: int
    url: str
    width: int
    height: int


_FOLDER = re.compile(r"/(VG_100K(?:_2)?)/[^/]+$")
_BASE = "https://visualgenome.org/static/data/dataset"
ABOUT = About(
    title="Visual Genome v1.2, region descriptions",
    files=(
        RawFile(
            "regions",
            "vg/region_descriptions.json",
            ImageRegions,
            "[]",
            "id",
            f"{_BASE}/region_descriptions.json.zip",
            712_000_000,
        ),
        RawFile(
            "images",
            "vg/image_data.json",
            ImageData,
            "[]",
            "image_id",
            f"{_BASE}/image_data.json.zip",
            17_600_000,
        ),
    ),
    licence="CC BY 4.0",
    image_licence="CC BY 4.0",
    images="vg/VG_100K/<id>.jpg, vg/VG_100K_2/<id>.jpg",
    counts="5.4 M regions, 108,077 images",
)


@source(ABOUT)
def vg(
    raw: RawFiles,
    *,
    seed: int,
    max_regions: Annotated[int, msgspec.Meta(ge=1)] = 10,
    convention: Convention = "square",
    outside: Outside = "clip",
) -> Iterator[Conversation]:
    """Up to `max_regions` drawn regions of an image, each asked for by one of two drawn prompts.

    Regions are visited by rank; those that cannot be used are counted and the next one is taken. Boxes are fractions of
    the image padded to a square, or of the image itself (`plain`); a box that leaves the image is clipped or dropped.
    """
    images = raw.index("images")
    order = Draw(seed, purpose="vg region")
    turns = RegionPairs(Draw(seed, purpose="region prompt"), convention, outside, raw.tally)
    for identifier, found in raw.entries("regions", counted=True):
        image = images.get(identifier)
        folder = image and _FOLDER.search(image.url)
        if image is None or folder is None:
            why = f"url {image.url!r} in image_data.json" if image else "not in image_data.json"
            why += ", expected its size and …/VG_100K/<id>.jpg or …/VG_100K_2/<id>.jpg there"
            raw.reject("regions", identifier, why, counted=True)
            continue
        raw.tally.enter(pairs=len(found.regions))
        ranked = order.order(found.regions, key=lambda region: str(region.region_id))
        pairs = _first_usable(ranked, Size(image.width, image.height), turns, max_regions)
        if not pairs:
            raw.tally.drop("no usable region", identifier, pairs=0)
            continue
        name = f"{folder[1]}/{identifier}"
        yield Conversation(name, f"vg/{name}.jpg", pairs, name, history=(f"{len(pairs)} regions drawn",))


def _first_usable(regions: list[Region], size: Size, turns: RegionPairs, max_regions: int) -> list[Pair]:
    """Turns about the first regions that can be used; those behind them count as not drawn."""
    pairs: list[Pair] = []
    visited = 0
    while visited < len(regions) and len(pairs) < max_regions:
        region = regions[visited]
        visited += 1
        box = Box(region.x, region.y, region.width, region.height)
        if pair := turns.pair(region.phrase, box, size, origin=str(region.region_id)):
            pairs.append(pair)
    turns.tally.change("region not drawn", pairs=visited - len(regions))
    return pairs
