"""GQA: 943,000 balanced training questions on 72,140 Visual Genome images."""

from collections.abc import Iterator

import msgspec

from mix665k.builders.licences import CC_BY, VISUAL_GENOME, Paper, Terms
from mix665k.builders.provenance import by_origin
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, ImageArchive, Lead, RawFile, source
from mix665k.builders.sentences import upper_first
from mix665k.schemas.conversation import Conversation, Pair


class Question(msgspec.Struct, gc=False):
    """`"02930152": {"question": "Is the sky dark?", "imageId": "2354786", "answer": "yes", …}`, keyed by id."""

    question: str
    imageId: str  # noqa: N815, the publisher's name
    answer: str


_FOLDER = "https://downloads.cs.stanford.edu/nlp/data/gqa"
_IMAGES = Download(
    "images.zip",
    (_FOLDER,),
    num_bytes=21_817_965_542,
    sha256="02ce5c49c793accd5305356de9c39a50f80a7aaac193b0203de30dbbc65bde62",
)
ABOUT = About(
    title="GQA, train, balanced",
    files=(
        RawFile(
            "questions",
            "gqa/train_balanced_questions.json",
            Question,
            "{}",
            "question id",
            Download("questions1.2.zip", (_FOLDER,)),
            1_400_000_000,
            member="train_balanced_questions.json",
        ),
    ),
    licence="CC BY 4.0",
    image_licence="Visual Genome: CC BY 4.0",
    images="gqa/images/<imageId>.jpg",
    counts="943,000 questions, 72,140 images",
    terms=Terms(
        text=CC_BY,
        images=CC_BY,
        papers=(
            Paper(
                "hudson2019gqa",
                "Hudson, Drew A. and Manning, Christopher D.",
                "GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question Answering",
                "Conference on Computer Vision and Pattern Recognition (CVPR)",
                2019,
            ),
            VISUAL_GENOME,
        ),
    ),
    archives=(ImageArchive("gqa/images", "images/", _IMAGES),),
)


@source(ABOUT, trail=(Lead("questions", by_origin),))
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
