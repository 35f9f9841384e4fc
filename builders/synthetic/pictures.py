"""Which images the raw files name, how large these say they are, and what is to be drawn."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from mix665k.builders.synthetic.image_ids import COVER_SIZES, WEB_SIZES, coco_size, guessed_size, vg_size

T = TypeVar("T")
YEAR = "What is the year printed on this calendar?"


class Cover(NamedTuple):
    """What is printed on a book, and its genre, which decides how the cover looks."""

    title: str
    author: str
    year: str
    genre: str


class Picture(NamedTuple):
    """An image to draw: its path below the images' root, the original's size, the name of its scene, or a cover."""

    path: str
    size: tuple[int, int]
    scene: str
    cover: Cover | None = None


class Asked(msgspec.Struct):
    """A question of VQAv2, OKVQA or A-OKVQA."""

    image_id: int


class Questions(msgspec.Struct):
    """The questions file of VQAv2 or OKVQA."""

    questions: list[Asked]


class GqaQuestion(msgspec.Struct, rename={"image_id": "imageId"}):
    """A question of GQA."""

    image_id: str


class Book(msgspec.Struct, rename={"author_name": "authorName"}):
    """A book of OCR-VQA; its key names the image."""

    title: str
    author_name: str
    genre: str
    questions: list[str]
    answers: list[str]


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


class Instances(msgspec.Struct):
    """RefCOCO's `instances.json`."""

    images: list[CocoImage]


class VgImage(msgspec.Struct):
    """An element of Visual Genome's `image_data.json`."""

    image_id: int
    url: str
    width: int
    height: int


def read(path: Path, form: type[T]) -> T:
    """The declared fields of a JSON file."""
    return msgspec.json.decode(path.read_bytes(), type=form)


def coco_picture(image_id: int) -> Picture:
    """A COCO image, under the name that all sources share."""
    return Picture(f"coco/train2017/{image_id:012d}.jpg", coco_size(image_id), scene=f"coco/{image_id}")


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
        yield Picture(f"gqa/images/{asked.image_id}.jpg", size, scene=f"vg/{asked.image_id}")


def book_pictures(file: Path) -> Iterator[Picture]:
    """OCR-VQA's covers, always named .jpg."""
    for key, book in read(file, dict[str, Book]).items():
        year = dict(zip(book.questions, book.answers, strict=False)).get(YEAR, "")
        cover = Cover(book.title, author=book.author_name, year=year, genre=book.genre)
        yield Picture(f"ocr_vqa/images/{key}.jpg", guessed_size(key, COVER_SIZES), scene=f"book/{key}", cover=cover)


def textcaps_pictures(file: Path) -> Iterator[Picture]:
    """TextCaps' images in their stated sizes."""
    for captioned in read(file, Captions).data:
        size = (captioned.image_width, captioned.image_height)
        path = f"textvqa/train_images/{captioned.image_id}.jpg"
        yield Picture(path, size, scene=f"textcaps/{captioned.image_id}")


def refcoco_pictures(file: Path) -> Iterator[Picture]:
    """The images of one `instances.json` in their stated sizes."""
    for image in read(file, Instances).images:
        yield coco_picture(image.id)._replace(size=(image.width, image.height))


def vg_pictures(file: Path) -> Iterator[Picture]:
    """Visual Genome's images in their stated sizes."""
    for image in read(file, list[VgImage]):
        path = "/".join(("vg", *image.url.split("/")[-2:]))
        yield Picture(path, (image.width, image.height), scene=f"vg/{image.image_id}")


def lcs_pictures(file: Path) -> Iterator[Picture]:
    """LCS-558K's images, named by the records themselves."""
    for record in read(file, list[Record]):
        yield Picture(record.image, guessed_size(record.image, WEB_SIZES), scene=f"web/{record.image}")


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
    """Every image that the raw files present name, once each; a stated size wins over a guess."""
    pictures: dict[str, Picture] = {}
    for name, read_pictures in READERS:
        if (raw / name).exists():
            for picture in read_pictures(raw / name):
                if read_pictures is refcoco_pictures or picture.path not in pictures:
                    pictures[picture.path] = picture
    return list(pictures.values())
