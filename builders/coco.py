"""COCO's images, which six sources of the mixture share, and the two-file layout of VQA's questions."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import Download, ImageFolder, Lookup, Stated, by_origin
from mix665k.schemas.conversation import Conversation, Pair

TRAIN2017 = ImageFolder(  # the hash as huggingface.co/datasets/pcuenq/coco-2017-mirror shows it
    folder="coco/train2017",
    names="<12 digits>.jpg",
    members="train2017/",
    download=Download(
        name="train2017.zip",
        folders=("http://images.cocodataset.org/zips",),
        num_bytes=19_336_861_798,
        sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    ),
)
"""The pictures of train2014 are all in here, under the names that the mixture uses."""

ANNOTATED_LOOKUPS = (Lookup(role="questions", key=by_origin), Lookup(role="annotations", key=by_origin))
"""The lookups of `annotated_questions`: an origin is a `question_id`."""


PHOTOS = Stated(field="data_type", expected=("mscoco",))
"""What a file of VQA's layout says whose images are COCO's; `abstract_v002` are drawn scenes with ids of their own."""
OPEN_ENDED = Stated(field="task_type", expected=("Open-Ended",))


class Question(msgspec.Struct, gc=False):
    """`{"image_id": 458752, "question": "Is the sky blue?", "question_id": 458752000}`."""

    image_id: int
    question: str
    question_id: int


def coco_id(image_id: int) -> str:
    """The id as 12 digits, the way COCO names its files."""
    return f"{image_id:012d}"


def coco_question(image_id: int, pair: Pair) -> Conversation:
    """One question about a COCO image, not merged with others yet."""
    name = coco_id(image_id)
    return Conversation(id=name, image=TRAIN2017.path(name), pairs=[pair], several=True)


def annotated_questions(raw: RawFiles) -> Iterator[tuple[str, Question, Any]]:
    """(id, question, annotation) of the files `questions` and `annotations`, joined on `question_id`.

    The questions enter. One without an annotation of its image is a bad record; an annotation that no question asks for
    is noted.
    """
    annotations = raw.index("annotations")
    for identifier, question in raw.entering("questions"):
        annotation = annotations.pop(identifier, None)
        if annotation is None or annotation.image_id != question.image_id:
            why = "no annotation" if annotation is None else f"annotation of image {annotation.image_id}"
            raw.reject("questions", identifier, f"{why}, expected one of image {question.image_id}")
        else:
            yield identifier, question, annotation
    for identifier in annotations:
        raw.note("annotation without a question", identifier)
