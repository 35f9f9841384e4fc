"""A-OKVQA: 17,056 multiple-choice questions on 16,540 COCO images, each image once per choice."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from mix665k.builders.coco import TRAIN2017, coco_id, coco_image
from mix665k.builders.licences import APACHE, COCO, FLICKR, Paper, Terms
from mix665k.builders.options import Order, ask, letter_of, rotated
from mix665k.builders.provenance import by_origin
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, Lead, RawFile, source
from mix665k.schemas.conversation import Conversation, Pair


class Question(msgspec.Struct, gc=False):
    """`{"image_id": 299207, "question_id": "22M…", "question": …, "choices": [4], "correct_choice_idx": 3, …}`."""

    image_id: int
    question_id: str
    question: str
    choices: Annotated[list[str], msgspec.Meta(min_length=1, max_length=26)]
    correct_choice_idx: Annotated[int, msgspec.Meta(ge=0)]


ABOUT = About(
    title="A-OKVQA v1.0, train",
    files=(
        RawFile(
            "questions",
            "aokvqa/aokvqa_v1p0_train.json",
            Question,
            "[]",
            "question_id",
            Download("aokvqa_v1p0.tar.gz", ("https://prior-datasets.s3.us-east-2.amazonaws.com/aokvqa",)),
            15_500_000,
            member="aokvqa_v1p0_train.json",
        ),
    ),
    licence="Apache-2.0",
    image_licence="COCO: Flickr terms",
    images="coco/train2017/<12 digits>.jpg",
    counts="17,056 questions, 16,540 images",
    terms=Terms(
        text=APACHE,
        images=FLICKR,
        papers=(
            Paper(
                "schwenk2022aokvqa",
                "Schwenk, Dustin and Khandelwal, Apoorv and Clark, Christopher and Marino, Kenneth and "
                "Mottaghi, Roozbeh",
                "A-OKVQA: A Benchmark for Visual Question Answering using World Knowledge",
                "European Conference on Computer Vision (ECCV)",
                2022,
            ),
            COCO,
        ),
    ),
    archives=(TRAIN2017,),
)


@source(ABOUT, trail=(Lead("questions", by_origin),))
def aokvqa(
    raw: RawFiles,
    *,
    copies: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    order: Order = "rotate_left",
) -> Iterator[Conversation]:
    """The questions of an image in one conversation, `copies` times (default: as often as there are choices).

    Copy r shows the choices turned by r places, so that each choice stands under each letter once; the answer is the
    letter. One record of the reference file is known, and shows the raw list turned left by one.
    """
    images: dict[int, list[Question]] = {}
    for identifier, question in raw.entries("questions", counted=True):
        if question.correct_choice_idx >= len(question.choices):
            why = f"correct_choice_idx {question.correct_choice_idx} of {len(question.choices)} choices"
            raw.reject("questions", identifier, f"{why}, expected one of them", counted=True)
            continue
        raw.tally.enter()
        images.setdefault(question.image_id, []).append(question)
    for image_id, questions in images.items():
        num_copies = copies or max(len(question.choices) for question in questions)
        raw.tally.change("merged", conversations=1 - len(questions))
        raw.tally.change("repeated", conversations=num_copies - 1, pairs=(num_copies - 1) * len(questions))
        for r in range(num_copies):
            pairs = [_turn(question, r, order) for question in questions]
            done = (f"merged {len(questions)}",) * (len(questions) > 1) + (f"{order} by {r}",)
            yield Conversation(
                coco_id(image_id), coco_image(image_id), pairs, coco_id(image_id), several=True, history=done
            )


def _turn(question: Question, by: int, order: Order) -> Pair:
    shown = rotated(question.choices, by, order=order)
    return Pair(ask(question.question, shown), letter_of(question.correct_choice_idx, shown), question.question_id)
