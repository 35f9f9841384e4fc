"""COCO's image names, which six sources of the mixture share, and the two-file layout of VQA's questions."""

from collections.abc import Iterator
from typing import Any

from mix665k.builders.provenance import by_origin
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import Download, ImageArchive, Lead
from mix665k.schemas.conversation import Conversation, Pair

TRAIN2017 = ImageArchive(  # the hash as huggingface.co/datasets/pcuenq/coco-2017-mirror shows it
    "coco/train2017",
    "train2017/",
    Download(
        "train2017.zip",
        ("http://images.cocodataset.org/zips",),
        num_bytes=19_336_861_798,
        sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    ),
)
"""The pictures of train2014 are all in here, under the names that the mixture uses."""

ANNOTATED = (Lead("questions", by_origin), Lead("annotations", by_origin))
"""The trail of `annotated_questions`: an origin is a `question_id`."""


def coco_id(image_id: int) -> str:
    """The id as 12 digits, the way COCO names its files."""
    return f"{image_id:012d}"


def coco_image(image_id: int) -> str:
    """The image's place in the mixture: COCO's 2017 layout, also for pictures that a source took from train2014."""
    return f"coco/train2017/{image_id:012d}.jpg"


def coco_question(image_id: int, pair: Pair) -> Conversation:
    """One question about a COCO image, not merged with others yet."""
    name = coco_id(image_id)
    return Conversation(name, coco_image(image_id), [pair], name, several=True)


def annotated_questions(raw: RawFiles) -> Iterator[tuple[str, Any, Any]]:
    """(id, question, annotation) of the files `questions` and `annotations`, joined on `question_id`.

    A question without an annotation of its image is a bad record; an annotation that no question asks for is noted.
    """
    annotations = raw.index("annotations")
    for identifier, question in raw.entries("questions", counted=True):
        annotation = annotations.pop(identifier, None)
        if annotation is None or annotation.image_id != question.image_id:
            why = "no annotation" if annotation is None else f"annotation of image {annotation.image_id}"
            raw.reject("questions", identifier, f"{why}, expected one of image {question.image_id}", counted=True)
            continue
        raw.tally.enter()
        yield identifier, question, annotation
    for identifier in annotations:
        raw.tally.note("annotation without a question", identifier)
