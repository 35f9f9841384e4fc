"""GQA: 943,000 balanced training questions on 72,140 Visual Genome images."""

from collections.abc import Iterator

import msgspec

from builders.raw import RawFiles
from builders.registry import About, RawFile, source
from builders.sentences import upper_first
from schemas.conversation import Conversation, Pair


class Question(msgspec.Struct, gc=False):
    """`"02930152": {"question": "Is the sky dark?", "imageId": "2354786", "answer": "yes", …}`, keyed by id."""

    question: str
    imageId: str  # noqa: N815, the publisher's name
    answer: str


ABOUT = About(
    title="GQA, train, balanced",
    files=(
        RawFile(
            "questions",
            "gqa/train_balanced_questions.json",
            Question,
            "{}",
            "question id",
            "https://downloads.cs.stanford.edu/nlp/data/gqa/questions1.2.zip",
            1_400_000_000,
        ),
    ),
    licence="CC BY 4.0",
    image_licence="Visual Genome: CC BY 4.0",
    images="gqa/images/<imageId>.jpg",
    counts="943,000 questions, 72,140 images",
)


@source(ABOUT)
def gqa(raw: RawFiles, *, capitalize: bool = True) -> Iterator[Conversation]:
    """One conversation per question, with the short answer, its first letter upper-cased ("yes" becomes "Yes")."""
    for identifier, question in raw.entries("questions", counted=True):
        raw.tally.enter()
        if not question.answer.strip():
            raw.tally.drop("empty answer", identifier)
            continue
        image = question.imageId
        answer = upper_first(question.answer) if capitalize else question.answer
        pair = Pair(question.question, answer, identifier)
        yield Conversation(image, f"gqa/images/{image}.jpg", [pair], image, several=True)
