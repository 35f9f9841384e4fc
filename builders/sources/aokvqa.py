"""A-OKVQA: 17,056 multiple-choice questions on 16,540 COCO images, each image once per choice."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from mix665k.builders.answers import Order, ask, letter_of, rotated
from mix665k.builders.coco import TRAIN2017, coco_id
from mix665k.builders.evaluation import AskedQuestion, EvaluationLayout, asked_question
from mix665k.builders.funnel import Dropped, Regrouped
from mix665k.builders.image_collections import COCO_IMAGES
from mix665k.builders.licences import APACHE, COCO, FLICKR, Paper
from mix665k.builders.published import ARITHMETIC, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, Lookup, RawFile, by_origin, source
from mix665k.schemas.conversation import Conversation, Pair, is_blank


class Question(msgspec.Struct, gc=False):
    """`{"image_id": 299207, "question_id": "22M…", "question": …, "choices": [4], "correct_choice_idx": 3, …}`."""

    image_id: int
    question_id: Annotated[str, msgspec.Meta(min_length=1)]
    question: str
    choices: Annotated[list[str], msgspec.Meta(min_length=1, max_length=26)]
    correct_choice_idx: Annotated[int, msgspec.Meta(ge=0)]
    split: str = ""


ABOUT = About(
    title="A-OKVQA v1.0",
    files=(
        RawFile(
            role="questions",
            path="aokvqa/aokvqa_v1p0_train.json",
            form=Question,
            id="question_id",
            split="train",
            split_field="split",
            download=Download(
                name="aokvqa_v1p0.tar.gz", folders=("https://prior-datasets.s3.us-east-2.amazonaws.com/aokvqa",)
            ),
            num_bytes=15_500_000,
            member="aokvqa_v1p0_train.json",
        ),
    ),
    licence=APACHE,
    image_licence=FLICKR,
    images=(TRAIN2017,),
    counts="17,056 questions, 16,540 images",
    papers=(
        Paper(
            key="schwenk2022aokvqa",
            authors="Schwenk, Dustin and Khandelwal, Apoorv and Clark, Christopher and Marino, Kenneth and "
            "Mottaghi, Roozbeh",
            title="A-OKVQA: A Benchmark for Visual Question Answering using World Knowledge",
            venue="European Conference on Computer Vision (ECCV)",
            year=2022,
        ),
        COCO,
    ),
    published=Published(
        file=MIX665K,
        num_records=66_160,
        place=4,
        prompt_forms=("option letter",),
        figures={"pairs": Figure(68_224, "17,056 questions, four copies"), "distinct ids": Figure(16_540, ARITHMETIC)},
    ),
    image_collection=COCO_IMAGES,
    evaluation=EvaluationLayout(  # github.com/allenai/aokvqa
        name="aokvqa",
        at="list",
        form=AskedQuestion,
        keys=frozenset({"image_id", "choices"}),
        items=asked_question,
        id="question_id",
        collection=COCO_IMAGES,
    ),
)


@source(ABOUT, lookups=(Lookup(role="questions", key=by_origin),))
def aokvqa(
    raw: RawFiles,
    *,
    copies: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    order: Order = "rotate_left",
    splits: list[str] = [],  # noqa: B006, read only
) -> Iterator[Conversation | Dropped | Regrouped]:
    """The questions of an image in one conversation, `copies` times (default: as often as there are choices).

    Copy r shows the choices turned by r places, so that each choice is under each letter once; the answer is the
    letter. One record of the reference file is known, and shows the raw list turned left by one. `splits` chooses
    among those of a file that has several; without it, all questions are of one.
    """
    images: dict[int, list[Question]] = {}
    for identifier, question in raw.entering("questions"):
        if question.correct_choice_idx >= len(question.choices):
            why = f"correct_choice_idx {question.correct_choice_idx} of {len(question.choices)} choices"
            raw.reject("questions", identifier, f"{why}, expected one of them")
            continue
        if is_blank(question.question):  # the options would hide it
            raw.reject("questions", identifier, "a blank question, expected text")
            continue
        if splits and question.split not in splits:
            yield Dropped(f"split {question.split or 'not stated'}", identifier, kind="chosen")
            continue
        images.setdefault(question.image_id, []).append(question)
    for image_id, questions in images.items():
        num_copies = copies or max(len(question.choices) for question in questions)
        yield Regrouped("merged", conversations=1 - len(questions))
        yield Regrouped("repeated", conversations=num_copies - 1, pairs=(num_copies - 1) * len(questions))
        name = coco_id(image_id)
        for r in range(num_copies):
            pairs = [_turn(question, r, order) for question in questions]
            done = (f"merged {len(questions)}",) * (len(questions) > 1) + (f"{order} by {r}",)
            yield Conversation(id=name, image=TRAIN2017.path(name), pairs=pairs, several=True, history=done)


def _turn(question: Question, by: int, order: Order) -> Pair:
    shown = rotated(question.choices, by, order=order)
    return Pair(ask(question.question, shown), letter_of(question.correct_choice_idx, shown), question.question_id)
