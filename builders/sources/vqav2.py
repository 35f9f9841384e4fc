"""VQAv2: 443,757 questions on 82,783 COCO images."""

from collections.abc import Iterator

import msgspec

from mix665k.builders.coco import (
    ANNOTATED_LOOKUPS,
    OPEN_ENDED,
    PHOTOS,
    TRAIN2017,
    Question,
    annotated_questions,
    coco_question,
)
from mix665k.builders.evaluation import AskedQuestion, EvaluationLayout, asked_question
from mix665k.builders.funnel import Dropped
from mix665k.builders.image_collections import COCO_IMAGES
from mix665k.builders.licences import CC_BY, COCO, FLICKR, Paper
from mix665k.builders.published import ARITHMETIC, COUNTED, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, RawFile, Stated, source
from mix665k.schemas.conversation import Conversation, Pair, is_blank
from mix665k.schemas.sentences import upper_first


class Annotation(msgspec.Struct, gc=False):
    """`{"question_id": 458752000, "image_id": 458752, "multiple_choice_answer": "yes", "answers": [ten of them]}`."""

    question_id: int
    image_id: int
    multiple_choice_answer: str


_FOLDER = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
_QUESTIONS = Download(  # the hashes as facebookresearch/ParlAI checks them (parlai/tasks/vqa_v2/build.py)
    name="v2_Questions_Train_mscoco.zip",
    folders=(_FOLDER,),
    num_bytes=7_239_401,
    sha256="05a64b6e2582d06d7585f5429674a9a33851878be1bff9f8668cdcf792df611e",
)
_ANNOTATIONS = Download(
    name="v2_Annotations_Train_mscoco.zip",
    folders=(_FOLDER,),
    num_bytes=21_708_861,
    sha256="fb101bcefe91422c543c2bb6d70af11eb3119d0ff745ae283d09acdf66250853",
)
_VERSION = Stated(
    field="info.description",
    expected=("This is v2.0 of the VQA dataset.",),
    like=r"This is v.+ of the .*VQA dataset\.",
)
ABOUT = About(
    title="VQA v2.0, open-ended questions",
    files=(
        RawFile(
            role="questions",
            path="vqav2/v2_OpenEnded_mscoco_train2014_questions.json",
            form=Question,
            at="questions",
            id="question_id",
            states=(PHOTOS, OPEN_ENDED, _VERSION),
            split="train2014",
            split_field="data_subtype",
            download=_QUESTIONS,
            num_bytes=42_000_000,
            member="v2_OpenEnded_mscoco_train2014_questions.json",
        ),
        RawFile(
            role="annotations",
            path="vqav2/v2_mscoco_train2014_annotations.json",
            form=Annotation,
            at="annotations",
            id="question_id",
            states=(PHOTOS, _VERSION),
            split="train2014",
            split_field="data_subtype",
            download=_ANNOTATIONS,
            num_bytes=343_000_000,
            member="v2_mscoco_train2014_annotations.json",
        ),
    ),
    licence=CC_BY,
    image_licence=FLICKR,
    images=(TRAIN2017,),
    counts="443,757 questions, 82,783 images",
    papers=(
        Paper(
            key="goyal2017making",
            authors="Goyal, Yash and Khot, Tejas and Summers-Stay, Douglas and Batra, Dhruv and Parikh, Devi",
            title="Making the V in VQA Matter: Elevating the Role of Image Understanding in Visual Question Answering",
            venue="Conference on Computer Vision and Pattern Recognition (CVPR)",
            year=2017,
        ),
        COCO,
    ),
    published=Published(
        file=MIX665K,
        num_records=82_783,
        place=2,
        prompt_forms=("short answer",),
        figures={
            "pairs": Figure(443_757, "the questions of train2014"),
            "distinct ids": Figure(82_783, ARITHMETIC),
            "fewest pairs": Figure(3, COUNTED),
            "most pairs": Figure(275, COUNTED),
        },
    ),
    image_collection=COCO_IMAGES,
    evaluation=EvaluationLayout(  # also that of OK-VQA (visualqa.org/download.html, okvqa.allenai.org)
        name="vqav2",
        at="questions",
        form=AskedQuestion,
        keys=frozenset({"image_id", "question"}),
        items=asked_question,
        id="question_id",
        collection=COCO_IMAGES,
    ),
)


@source(ABOUT, lookups=ANNOTATED_LOOKUPS)
def vqav2(raw: RawFiles, *, capitalize: bool = True) -> Iterator[Conversation | Dropped]:
    """One conversation per question, answered by `multiple_choice_answer`.

    `capitalize` upper-cases the answer's first letter, as GQA's records of the reference file show it.
    """
    for identifier, question, annotation in annotated_questions(raw):
        answer = annotation.multiple_choice_answer
        if is_blank(answer):
            yield Dropped("empty answer", identifier)
            continue
        answer = upper_first(answer) if capitalize else answer
        yield coco_question(question.image_id, Pair(question.question, answer, identifier))
