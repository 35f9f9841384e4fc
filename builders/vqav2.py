"""VQAv2: 443,757 questions on 82,783 COCO images."""

from collections.abc import Iterator

import msgspec

from builders.coco import annotated_questions, coco_question
from builders.raw import RawFiles
from builders.registry import About, RawFile, source
from builders.sentences import upper_first
from schemas.conversation import Conversation, Pair


class Question(msgspec.Struct, gc=False):
    """`{"image_id": 458752, "question": "Is the sky blue?", "question_id": 458752000}`."""

    image_id: int
    question: str
    question_id: int


class Annotation(msgspec.Struct, gc=False):
    """`{"question_id": 458752000, "image_id": 458752, "multiple_choice_answer": "yes", "answers": [ten of them]}`."""

    question_id: int
    image_id: int
    multiple_choice_answer: str


_BASE = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
ABOUT = About(
    title="VQA v2.0, open-ended questions, train2014",
    files=(
        RawFile(
            "questions",
            "vqav2/v2_OpenEnded_mscoco_train2014_questions.json",
            Question,
            "questions",
            "question_id",
            f"{_BASE}/v2_Questions_Train_mscoco.zip",
            42_000_000,
        ),
        RawFile(
            "annotations",
            "vqav2/v2_mscoco_train2014_annotations.json",
            Annotation,
            "annotations",
            "question_id",
            f"{_BASE}/v2_Annotations_Train_mscoco.zip",
            343_000_000,
        ),
    ),
    licence="CC BY 4.0",
    image_licence="COCO: Flickr terms",
    images="coco/train2017/<12 digits>.jpg",
    counts="443,757 questions, 82,783 images",
)


@source(ABOUT)
def vqav2(raw: RawFiles, *, capitalize: bool = True) -> Iterator[Conversation]:
    """One conversation per question, answered by `multiple_choice_answer`.

    `capitalize` upper-cases the answer's first letter, as GQA's records of the reference file show it.
    """
    for identifier, question, annotation in annotated_questions(raw):
        answer = annotation.multiple_choice_answer
        if not answer.strip():
            raw.tally.drop("empty answer", identifier)
            continue
        answer = upper_first(answer) if capitalize else answer
        yield coco_question(question.image_id, Pair(question.question, answer, identifier))
