"""Which images the raw files name, how large these say they are, and boxes to outline in them."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar
from zlib import crc32

import msgspec

from mix665k.builders.synthetic.image_ids import coco_size, vg_size

T = TypeVar("T")
Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the original
COVER_SIZES = ((331, 500), (400, 500), (500, 500), (310, 475))
WEB_SIZES = ((448, 336), (336, 336), (336, 448), (500, 336), (336, 600))
MOST_BOXES = 3  # outlined in one picture


class Picture(NamedTuple):
    """An image to draw: its path below the images' root, the original's size, and boxes to outline."""

    path: str
    size: tuple[int, int]
    boxes: tuple[Box, ...] = ()


class Asked(msgspec.Struct):
    """A question of VQAv2, OKVQA or A-OKVQA."""

    image_id: int


class Questions(msgspec.Struct):
    """The questions file of VQAv2 or OKVQA."""

    questions: list[Asked]


class GqaQuestion(msgspec.Struct, rename={"image_id": "imageId"}):
    """A question of GQA."""

    image_id: str


class Book(msgspec.Struct):
    """A book of OCR-VQA; its key names the image."""


class Record(msgspec.Struct):
    """A record in LLaVA's own form."""

    image: str


class Captioned(msgspec.Struct):
    """An element of TextCaps."""

    image_id: str
    image_width: int
    image_height: int


class Captions(msgspec.Struct):
    """The file of TextCaps."""

    data: list[Captioned]


class CocoImage(msgspec.Struct):
    """An image of RefCOCO's `instances.json`."""

    id: int
    width: int
    height: int


class CocoBox(msgspec.Struct):
    """An annotation of RefCOCO's `instances.json`."""

    image_id: int
    bbox: Box


class Instances(msgspec.Struct):
    """RefCOCO's `instances.json`."""

    images: list[CocoImage]
    annotations: list[CocoBox]


class Region(msgspec.Struct):
    """A region of Visual Genome."""

    x: float
    y: float
    width: float
    height: float


class RegionList(msgspec.Struct):
    """The regions of one image."""

    id: int
    regions: list[Region]


class VgImage(msgspec.Struct):
    """An element of Visual Genome's `image_data.json`."""

    image_id: int
    url: str
    width: int
    height: int


def read(path: Path, form: type[T]) -> T:
    """The declared fields of a JSON file."""
    return msgspec.json.decode(path.read_bytes(), type=form)


def guessed_size(name: str, sizes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """One of the sizes, always the same for a name; for images whose size no raw file states."""
    return sizes[crc32(name.encode()) % len(sizes)]


def coco_picture(image_id: int) -> Picture:
    """A COCO image, under the name that all sources share."""
    return Picture(f"coco/train2017/{image_id:012d}.jpg", coco_size(image_id))


def instruct_pictures(file: Path) -> Iterator[Picture]:
    """LLaVA-Instruct's images."""
    return (coco_picture(int(Path(record.image).stem)) for record in read(file, list[Record]))


def vqa_pictures(file: Path) -> Iterator[Picture]:
    """VQAv2's or OKVQA's images."""
    return (coco_picture(asked.image_id) for asked in read(file, Questions).questions)


def aokvqa_pictures(file: Path) -> Iterator[Picture]:
    """A-OKVQA's images."""
    return (coco_picture(asked.image_id) for asked in read(file, list[Asked]))


def gqa_pictures(file: Path) -> Iterator[Picture]:
    """GQA's images."""
    for asked in read(file, dict[str, GqaQuestion]).values():
        size = vg_size(int(asked.image_id)) if asked.image_id.isdigit() else (640, 480)  # testdev: n54424
        yield Picture(f"gqa/images/{asked.image_id}.jpg", size)


def book_pictures(file: Path) -> Iterator[Picture]:
    """OCR-VQA's covers, always named .jpg."""
    for key in read(file, dict[str, Book]):
        yield Picture(f"ocr_vqa/images/{key}.jpg", guessed_size(key, COVER_SIZES))


def textcaps_pictures(file: Path) -> Iterator[Picture]:
    """TextCaps' images in their stated sizes."""
    for captioned in read(file, Captions).data:
        size = (captioned.image_width, captioned.image_height)
        yield Picture(f"textvqa/train_images/{captioned.image_id}.jpg", size)


def refcoco_pictures(file: Path) -> Iterator[Picture]:
    """The images of one `instances.json` in their stated sizes, with a few of their boxes."""
    instances = read(file, Instances)
    boxes: defaultdict[int, list[Box]] = defaultdict(list)
    for annotation in instances.annotations:
        boxes[annotation.image_id].append(annotation.bbox)
    for image in instances.images:
        yield Picture(coco_picture(image.id).path, (image.width, image.height), tuple(boxes[image.id][:MOST_BOXES]))


def vg_pictures(file: Path) -> Iterator[Picture]:
    """Visual Genome's images in their stated sizes, with a few of their regions."""
    boxes = {}
    for encoded in read(file.with_name("region_descriptions.json"), list[msgspec.Raw]):
        described = msgspec.json.decode(encoded, type=RegionList)
        regions = described.regions[:MOST_BOXES]
        boxes[described.id] = tuple((one.x, one.y, one.width, one.height) for one in regions)
    for image in read(file, list[VgImage]):
        path = "/".join(("vg", *image.url.split("/")[-2:]))
        yield Picture(path, (image.width, image.height), boxes.get(image.image_id, ()))


def lcs_pictures(file: Path) -> Iterator[Picture]:
    """LCS-558K's images, named by the records themselves."""
    for record in read(file, list[Record]):
        yield Picture(record.image, guessed_size(record.image, WEB_SIZES))


READERS: tuple[tuple[str, Callable[[Path], Iterator[Picture]]], ...] = (
    ("llava_instruct/llava_instruct_150k.json", instruct_pictures),
    ("vqav2/v2_OpenEnded_mscoco_train2014_questions.json", vqa_pictures),
    ("okvqa/OpenEnded_mscoco_train2014_questions.json", vqa_pictures),
    ("aokvqa/aokvqa_v1p0_train.json", aokvqa_pictures),
    ("refcoco/refcoco/instances.json", refcoco_pictures),
    ("refcoco/refcoco+/instances.json", refcoco_pictures),
    ("refcoco/refcocog/instances.json", refcoco_pictures),
    ("gqa/train_balanced_questions.json", gqa_pictures),
    ("ocrvqa/dataset.json", book_pictures),
    ("textcaps/TextCaps_0.1_train.json", textcaps_pictures),
    ("vg/image_data.json", vg_pictures),
    ("lcs558k/blip_laion_cc_sbu_558k.json", lcs_pictures),
)


def named_pictures(raw: Path) -> list[Picture]:
    """Every image that the raw files present name, once each; stated sizes and boxes win over guesses."""
    pictures: dict[str, Picture] = {}
    for name, read_pictures in READERS:
        if (raw / name).exists():
            for picture in read_pictures(raw / name):
                if picture.boxes or picture.path not in pictures:
                    pictures[picture.path] = picture
    return list(pictures.values())
