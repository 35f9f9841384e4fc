"""Visual Genome: 5.4 million described regions on 108,077 images."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from mix665k.builders.boxes import Box, Convention, Outside, RegionPairs, Size
from mix665k.builders.draw import Draw
from mix665k.builders.licences import CC_BY, VISUAL_GENOME, Terms
from mix665k.builders.provenance import by_field, by_origin
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, Entry, ImageArchive, Lead, RawFile, source
from mix665k.schemas.conversation import Conversation, Pair


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
_FOLDERS = (
    "https://homes.cs.washington.edu/~ranjay/visualgenome/data/dataset",
    "https://visualgenome.org/static/data/dataset",
)
_IMAGE_FOLDERS = ("https://cs.stanford.edu/people/rak248/VG_100K_2",)
_IMAGE_DATA = Download(  # these hashes as huggingface/datasets recorded them, in dataset_infos.json of visual_genome
    "image_data.json.zip",
    _FOLDERS,
    num_bytes=1_780_854,
    sha256="b87a94918cb2ff4d952cf1dfeca0b9cf6cd6fd204c2f8704645653be1163681a",
)
_IMAGES = Download(
    "images.zip",
    _IMAGE_FOLDERS,
    num_bytes=9_731_705_982,
    sha256="51c682d2721f880150720bb416e0346a4c787e4c55d7f80dfd1bd3f73ba81646",
)
_IMAGES2 = Download(
    "images2.zip",
    _IMAGE_FOLDERS,
    num_bytes=5_471_658_058,
    sha256="99da1a0ddf87011319ff3b05cf9176ffee2731cc3c52951162d9ef0d68e3cfb5",
)
ABOUT = About(
    title="Visual Genome v1.2, region descriptions",
    files=(
        RawFile(
            "regions",
            "vg/region_descriptions.json",
            ImageRegions,
            "[]",
            "id",
            Download("region_descriptions.json.zip", _FOLDERS),
            712_000_000,
            member="region_descriptions.json",
        ),
        RawFile(
            "images",
            "vg/image_data.json",
            ImageData,
            "[]",
            "image_id",
            _IMAGE_DATA,
            17_600_000,
            member="image_data.json",
        ),
    ),
    licence="CC BY 4.0",
    image_licence="CC BY 4.0",
    images="vg/VG_100K/<id>.jpg, vg/VG_100K_2/<id>.jpg",
    counts="5.4 M regions, 108,077 images",
    terms=Terms(
        text=CC_BY,
        images=CC_BY,
        papers=(VISUAL_GENOME,),
    ),
    archives=(ImageArchive("vg/VG_100K", "VG_100K/", _IMAGES), ImageArchive("vg/VG_100K_2", "VG_100K_2/", _IMAGES2)),
)


def _by_region(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    return ((str(region.region_id), entry) for entry in entries for region in entry.record.regions)


def _place(origin: str, found: ImageRegions) -> dict[str, list[int]]:
    return {"regions": [i for i, region in enumerate(found.regions) if str(region.region_id) == origin]}


_TRAIL = (
    Lead("regions", by_origin, _by_region, "region_id", _place),
    Lead("images", by_field("regions", "id")),
)


@source(ABOUT, trail=_TRAIL)
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
