"""GQA: 943,000 balanced training questions on 72,140 Visual Genome images."""

from collections.abc import Iterator

import msgspec

from mix665k.builders.evaluation import EvaluationLayout, Item
from mix665k.builders.funnel import Dropped
from mix665k.builders.image_collections import VG_IMAGES
from mix665k.builders.licences import CC_BY, VISUAL_GENOME, Licence, Paper
from mix665k.builders.published import ARITHMETIC, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, ImageFolder, Lookup, RawFile, by_origin, source
from mix665k.schemas.conversation import Conversation, Pair, is_blank
from mix665k.schemas.sentences import upper_first


class Question(msgspec.Struct, gc=False):
    """`"02930152": {"question": "Is the sky dark?", "imageId": "2354786", "answer": "yes", …}`, keyed by id."""

    question: str
    imageId: str  # noqa: N815, the publisher's name
    answer: str


class _Evaluated(msgspec.Struct, gc=False):
    """A question of an evaluation file; those of the test sets have no answer."""

    imageId: str  # noqa: N815, the publisher's name
    question: str


def _items(identifier: str, record: _Evaluated) -> Iterator[Item]:
    yield Item(identifier, record.imageId, record.question)


_FOLDER = "https://downloads.cs.stanford.edu/nlp/data/gqa"
IMAGES = ImageFolder(
    folder="gqa/images",
    names="<imageId>.jpg",
    members="images/",
    download=Download(
        name="images.zip",
        folders=(_FOLDER,),
        num_bytes=21_817_965_542,
        sha256="02ce5c49c793accd5305356de9c39a50f80a7aaac193b0203de30dbbc65bde62",
    ),
)
ABOUT = About(
    title="GQA",
    files=(
        RawFile(
            role="questions",
            path="gqa/train_balanced_questions.json",
            form=Question,
            at="{}",
            split="train_balanced",
            download=Download(name="questions1.2.zip", folders=(_FOLDER,)),
            num_bytes=1_400_000_000,
            member="train_balanced_questions.json",
        ),
    ),
    licence=CC_BY,
    image_licence=Licence(name="Visual Genome: CC BY 4.0", commercial="yes", because="CC BY 4.0, with attribution"),
    images=(IMAGES,),
    counts="943,000 questions, 72,140 images",
    papers=(
        Paper(
            key="hudson2019gqa",
            authors="Hudson, Drew A. and Manning, Christopher D.",
            title="GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question Answering",
            venue="Conference on Computer Vision and Pattern Recognition (CVPR)",
            year=2019,
        ),
        VISUAL_GENOME,
    ),
    published=Published(
        file=MIX665K,
        num_records=72_140,
        place=7,
        figures={
            "pairs": Figure(943_000, "the questions of train_balanced_questions.json"),
            "distinct ids": Figure(72_140, ARITHMETIC),
        },
    ),
    image_collection=VG_IMAGES,
    evaluation=EvaluationLayout(  # cs.stanford.edu/people/dorarad/gqa/download.html
        name="gqa",
        at="{}",
        form=_Evaluated,
        keys=frozenset({"imageId", "question"}),
        items=_items,
        id="question id",
        collection=VG_IMAGES,
    ),
)


@source(ABOUT, lookups=(Lookup(role="questions", key=by_origin),))
def gqa(raw: RawFiles, *, capitalize: bool = True) -> Iterator[Conversation | Dropped]:
    """One conversation per question, with the short answer, its first letter upper-cased ("yes" becomes "Yes")."""
    for identifier, question in raw.entering("questions"):
        if is_blank(question.answer):
            yield Dropped("empty answer", identifier)
            continue
        image = question.imageId
        answer = upper_first(question.answer) if capitalize else question.answer
        pair = Pair(question.question, answer, identifier)
        yield Conversation(id=image, image=IMAGES.path(image), pairs=[pair], several=True)
