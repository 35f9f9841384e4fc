"""OKVQA: 9,009 questions on 8,998 COCO images."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from mix665k.builders.answers import most_common
from mix665k.builders.coco import (
    ANNOTATED_LOOKUPS,
    OPEN_ENDED,
    PHOTOS,
    TRAIN2017,
    Question,
    annotated_questions,
    coco_question,
)
from mix665k.builders.funnel import Dropped
from mix665k.builders.image_collections import COCO_IMAGES
from mix665k.builders.licences import CC_BY, COCO, FLICKR, Paper
from mix665k.builders.published import ARITHMETIC, COUNTED, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, RawFile, Stated, source
from mix665k.schemas.conversation import Conversation, Pair
from mix665k.schemas.sentences import upper_first


class Answer(msgspec.Struct, gc=False):
    """`{"answer_id": 1, "raw_answer": "racing cars", "answer_confidence": "yes", "answer": "race car"}`."""

    raw_answer: str
    answer: str


class Annotation(msgspec.Struct, gc=False):
    """`{"question_id": 516065, "image_id": 51606, "answers": [ten of them], "question_type": "four", …}`."""

    question_id: int
    image_id: int
    answers: list[Answer]


_FOLDER = "https://okvqa.allenai.org/static/data"
_VERSION = Stated(
    field="info.description",
    expected=("This is v1.0 of the OK-VQA dataset.", "This is v1.1 of the OK-VQA dataset."),
    like=r"This is v.+ of the .*VQA dataset\.",
)
ABOUT = About(
    title="OK-VQA v1.1",
    files=(
        RawFile(
            role="questions",
            path="okvqa/OpenEnded_mscoco_train2014_questions.json",
            form=Question,
            at="questions",
            id="question_id",
            states=(PHOTOS, OPEN_ENDED, _VERSION),
            split="train2014",
            split_field="data_subtype",
            download=Download(name="OpenEnded_mscoco_train2014_questions.json.zip", folders=(_FOLDER,)),
            num_bytes=930_000,
            member="OpenEnded_mscoco_train2014_questions.json",
        ),
        RawFile(
            role="annotations",
            path="okvqa/mscoco_train2014_annotations.json",
            form=Annotation,
            at="annotations",
            id="question_id",
            states=(PHOTOS, _VERSION),
            split="train2014",
            split_field="data_subtype",
            download=Download(name="mscoco_train2014_annotations.json.zip", folders=(_FOLDER,)),
            num_bytes=9_500_000,
            member="mscoco_train2014_annotations.json",
        ),
    ),
    licence=CC_BY,
    image_licence=FLICKR,
    images=(TRAIN2017,),
    counts="9,009 questions, 8,998 images",
    papers=(
        Paper(
            key="marino2019okvqa",
            authors="Marino, Kenneth and Rastegari, Mohammad and Farhadi, Ali and Mottaghi, Roozbeh",
            title="OK-VQA: A Visual Question Answering Benchmark Requiring External Knowledge",
            venue="Conference on Computer Vision and Pattern Recognition (CVPR)",
            year=2019,
        ),
        COCO,
    ),
    published=Published(
        file=MIX665K,
        num_records=8_998,
        place=3,
        prompt_forms=("short answer",),
        figures={
            "pairs": Figure(9_009, "the questions of train2014"),
            "distinct ids": Figure(8_998, ARITHMETIC),
            "fewest pairs": Figure(1, COUNTED),
            "most pairs": Figure(2, COUNTED),
        },
    ),
    image_collection=COCO_IMAGES,
)


@source(ABOUT, lookups=ANNOTATED_LOOKUPS)
def okvqa(
    raw: RawFiles, *, answer: Literal["raw_answer", "answer"] = "raw_answer", capitalize: bool = True
) -> Iterator[Conversation | Dropped]:
    """One conversation per question, answered by the most common non-empty one of its ten answers.

    Ties go to the earlier answer. `answer` is the field to take: `raw_answer` as people wrote it, `answer` its stemmed
    form ("cars" becomes "car"); which of them the authors took is not known.
    """
    for identifier, question, annotation in annotated_questions(raw):
        text = most_common([getattr(given, answer) for given in annotation.answers])
        if text is None:
            yield Dropped("all answers empty", identifier)
            continue
        text = upper_first(text) if capitalize else text
        yield coco_question(question.image_id, Pair(question.question, text, identifier))
