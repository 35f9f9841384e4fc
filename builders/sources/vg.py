"""Visual Genome: 5.4 million described regions on 108,077 images."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from mix665k.builders.boxes import DESCRIBE, LOCATE, AskWithBox, AskWithSentence, Outside, RegionPairs, Side
from mix665k.builders.draw import Draw
from mix665k.builders.funnel import Dropped
from mix665k.builders.image_collections import COCO_IMAGES, VG_IMAGES, SameImages
from mix665k.builders.licences import CC_BY, VISUAL_GENOME
from mix665k.builders.published import ARITHMETIC, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import (
    About,
    ByField,
    DecodedRecord,
    Download,
    ImageFolder,
    Lookup,
    RawFile,
    by_origin,
    source,
)
from mix665k.schemas.boxes import Box, Convention, Size
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
    width: Side
    height: Side


class _InCoco(msgspec.Struct, gc=False):
    """`{"image_id": 1, "coco_id": null, …}`: about half of the images are COCO's too; some have a `coco_id` of -1."""

    image_id: int
    coco_id: int | None = None


def _first_version(record: Any) -> str | None:
    """A record of Visual Genome 1.0, whose regions have `id` and `image` and whose images `id`."""
    found = record if isinstance(record, dict) else {}
    regions = found.get("regions")
    region = next(iter(regions), None) if isinstance(regions, list) else None
    if isinstance(region, dict) and {"id", "image"} <= region.keys() and "region_id" not in region:
        return f"{_IS_FIRST}: its regions have `id` and `image`, expected `region_id` and `image_id`; {_GET_THIS}"
    if {"id", "url"} <= found.keys() and "image_id" not in found:
        return f"{_IS_FIRST}: its images have `id`, expected `image_id`; {_GET_THIS}"
    return None


_IS_FIRST = "of Visual Genome 1.0, expected 1.2"
_GET_THIS = "`mix fetch --source vg` gets that"
_FOLDER = re.compile(r"/([^/]+)/[^/]+$")
_FOLDERS = (
    "https://homes.cs.washington.edu/~ranjay/visualgenome/data/dataset",
    "https://visualgenome.org/static/data/dataset",
)
_IMAGE_FOLDERS = ("https://cs.stanford.edu/people/rak248/VG_100K_2",)
_IMAGE_DATA = Download(  # these hashes as huggingface/datasets recorded them, in dataset_infos.json of visual_genome
    name="image_data.json.zip",
    folders=_FOLDERS,
    num_bytes=1_780_854,
    sha256="b87a94918cb2ff4d952cf1dfeca0b9cf6cd6fd204c2f8704645653be1163681a",
)
IMAGES = {
    "VG_100K": ImageFolder(
        folder="vg/VG_100K",
        names="<id>.jpg",
        members="VG_100K/",
        download=Download(
            name="images.zip",
            folders=_IMAGE_FOLDERS,
            num_bytes=9_731_705_982,
            sha256="51c682d2721f880150720bb416e0346a4c787e4c55d7f80dfd1bd3f73ba81646",
        ),
    ),
    "VG_100K_2": ImageFolder(
        folder="vg/VG_100K_2",
        names="<id>.jpg",
        members="VG_100K_2/",
        download=Download(
            name="images2.zip",
            folders=_IMAGE_FOLDERS,
            num_bytes=5_471_658_058,
            sha256="99da1a0ddf87011319ff3b05cf9176ffee2731cc3c52951162d9ef0d68e3cfb5",
        ),
    ),
}
"""By the folder that the URL of an image names."""
ABOUT = About(
    title="Visual Genome v1.2, region descriptions",
    files=(
        RawFile(
            role="regions",
            path="vg/region_descriptions.json",
            form=ImageRegions,
            id="id",
            download=Download(name="region_descriptions.json.zip", folders=_FOLDERS),
            num_bytes=712_000_000,
            pairs=lambda found: len(found.regions),
            other_version=_first_version,
            member="region_descriptions.json",
        ),
        RawFile(
            role="images",
            path="vg/image_data.json",
            form=ImageData,
            other_version=_first_version,
            id="image_id",
            download=_IMAGE_DATA,
            num_bytes=17_600_000,
            member="image_data.json",
        ),
    ),
    licence=CC_BY,
    image_licence=CC_BY,
    images=tuple(IMAGES.values()),
    counts="5.4 M regions, 108,077 images",
    papers=(VISUAL_GENOME,),
    writes_boxes=True,
    published=Published(
        file=MIX665K,
        num_records=86_417,
        place=6,
        figures={"distinct ids": Figure(86_417, ARITHMETIC), "shared images": Figure(57_350, ARITHMETIC)},
        shared_with="gqa",
    ),
    image_collection=VG_IMAGES,
    same_images=SameImages(role="images", form=_InCoco, field="coco_id", collection=COCO_IMAGES),
)


def _by_region(entries: Iterable[DecodedRecord]) -> Iterator[tuple[str, DecodedRecord]]:
    return ((str(region.region_id), entry) for entry in entries for region in entry.record.regions)


def _place(origin: str, found: ImageRegions) -> dict[str, list[int]]:
    return {"regions": [i for i, region in enumerate(found.regions) if str(region.region_id) == origin]}


_LOOKUPS = (
    Lookup(role="regions", key=by_origin, names=_by_region, id_name="region_id", items=_place),
    Lookup(role="images", key=ByField("regions", "id")),
)


@source(ABOUT, lookups=_LOOKUPS)
def vg(
    raw: RawFiles,
    *,
    seed: int,
    max_regions: Annotated[int, msgspec.Meta(ge=1)] = 10,
    convention: Convention = "square",
    outside: Outside = "clip",
    describe: AskWithBox = DESCRIBE,
    locate: AskWithSentence = LOCATE,
) -> Iterator[Conversation | Dropped]:
    """Up to `max_regions` drawn regions of an image, each asked for by one of two drawn prompts.

    Regions are visited by rank; those that cannot be used are counted and the next one is taken. Boxes are fractions of
    the image padded to a square, or of the image itself (`plain`); a box that leaves the image is clipped or dropped.
    `describe` and `locate` are the prompts.
    """
    images = raw.index("images")
    order = Draw(seed, purpose="vg region")
    region_pairs = RegionPairs(
        Draw(seed, purpose="region prompt"), convention, outside, note=raw.note, describe=describe, locate=locate
    )
    for identifier, found in raw.entering("regions"):
        image = images.get(identifier)
        url = image and _FOLDER.search(image.url)
        folder = IMAGES.get(url[1]) if url else None
        if image is None or url is None or folder is None:
            why = f"url {image.url!r} in image_data.json" if image else "not in image_data.json"
            why += ", expected its size and …/VG_100K/<id>.jpg or …/VG_100K_2/<id>.jpg there"
            raw.reject("regions", identifier, why, pairs=len(found.regions))
            continue
        size = Size(image.width, image.height)
        pairs: list[Pair] = []
        visited = 0
        for region in order.order(found.regions, key=lambda region: str(region.region_id)):
            if len(pairs) == max_regions:
                break
            visited += 1
            box = Box(x=region.x, y=region.y, width=region.width, height=region.height)
            made = region_pairs.pair(region.phrase, box, size=size, origin=str(region.region_id))
            if isinstance(made, Dropped):
                yield made
            else:
                pairs.append(made)
        yield Dropped("region not drawn", kind="chosen", conversations=0, pairs=len(found.regions) - visited)
        if not pairs:
            yield Dropped("no usable region", identifier, pairs=0)
            continue
        done = (f"{len(pairs)} regions drawn",)
        yield Conversation(id=f"{url[1]}/{identifier}", image=folder.path(identifier), pairs=pairs, history=done)
