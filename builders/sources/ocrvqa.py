"""OCR-VQA: 207,572 book covers with two to seven question-answer pairs each."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from mix665k.builders.funnel import Dropped
from mix665k.builders.image_collections import ImageAddresses, ImageCollection
from mix665k.builders.licences import Licence, Paper
from mix665k.builders.published import ARITHMETIC, MIX665K, Figure, Published
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import (
    About,
    Download,
    ImageFolder,
    Lookup,
    RawFile,
    by_numbered_origin,
    number_of,
    source,
)
from mix665k.schemas.conversation import Conversation, Pair, is_blank

Split = Annotated[int, msgspec.Meta(ge=1, le=3)]
"""1 train, 2 val, 3 test (ocr-vqa.github.io)."""


class Book(msgspec.Struct, gc=False):
    """`"000195850X": {"imageURL": …, "questions": […], "answers": […], "split": 1, …}`, keyed by an Amazon id."""

    questions: list[str]
    answers: list[str]
    split: Split


class Cover(msgspec.Struct, gc=False):
    """The same record's `"imageURL": "http://ecx.images-amazon.com/images/I/51l6XIoa3rL.jpg"`, or .gif, or .png."""

    imageURL: str  # noqa: N815, the publisher's name


_PAGE = "https://drive.google.com/file/d/1r0tyZUwGCc4wIG4RkiglCGNL_nFJjR6Q/view"
"""`dataset.json` in the folder 1_GYPY5UkUy7HIcR0zq3ZCFgeZN7BAfm_ of Google Drive, to which ocr-vqa.github.io links."""
COVERS = ImageFolder(folder="ocr_vqa/images", names="<key>.jpg")
"""Always named `.jpg`, whatever the URL of a cover ends in."""
ABOUT = About(
    title="OCR-VQA-200K",
    files=(
        RawFile(
            role="books",
            path="ocrvqa/dataset.json",
            form=Book,
            at="{}",
            split_field="split",
            download=Download(name="dataset.json", by_hand=_PAGE),
            num_bytes=113_000_000,
            pairs=lambda book: len(book.questions),
        ),
    ),
    licence=Licence(name="research use", commercial="no", because="given for research only"),
    image_licence=Licence(name="covers: their publishers", commercial="no", because="book covers, © their publishers"),
    images=(COVERS,),
    counts="207,572 books, split 1 / 2 / 3",
    papers=(
        Paper(
            key="mishra2019ocrvqa",
            authors="Mishra, Anand and Shekhar, Shashank and Singh, Ajeet Kumar and Chakraborty, Anirban",
            title="OCR-VQA: Visual Question Answering by Reading Text in Images",
            venue="International Conference on Document Analysis and Recognition (ICDAR)",
            year=2019,
        ),
    ),
    published=Published(
        file=MIX665K,
        num_records=80_000,
        place=8,
        figures={
            "pairs": Figure(386_400, "4.83 a book, counted by others", 400),
            "distinct ids": Figure(80_000, ARITHMETIC),
        },
    ),
    image_collection=ImageCollection(name="ocrvqa", title="OCR-VQA", folders=("ocr_vqa",)),
    image_addresses=ImageAddresses(role="books", form=Cover, field="imageURL"),
)


def _asked(origin: str, book: Book) -> dict[str, list[int]]:  # noqa: ARG001, see `Lookup.items`
    return {"questions": [number_of(origin)], "answers": [number_of(origin)]}


@source(ABOUT, lookups=(Lookup(role="books", key=by_numbered_origin, items=_asked),))
def ocrvqa(raw: RawFiles, *, splits: list[Split] = [1]) -> Iterator[Conversation | Dropped]:  # noqa: B006, read only
    """One conversation per book of the splits, all its pairs in raw order and verbatim, even an author `*`.

    The splits are 1 train, 2 val and 3 test.
    """
    for key, book in raw.entering("books"):
        num_pairs = len(book.questions)
        if num_pairs != len(book.answers) or not num_pairs:
            why = f"{num_pairs} questions and {len(book.answers)} answers, expected as many of each and at least one"
            raw.reject("books", key, why, pairs=num_pairs)
            continue
        if book.split not in splits:
            yield Dropped(f"split {book.split}", key, kind="chosen", pairs=num_pairs)
            continue
        pairs = [
            Pair(question, answer, f"{key}/{i}")
            for i, (question, answer) in enumerate(zip(book.questions, book.answers, strict=True))
            if not is_blank(answer)
        ]
        if empty := num_pairs - len(pairs):
            yield Dropped("empty answer", key, conversations=int(not pairs), pairs=empty)
        if pairs:
            yield Conversation(id=key, image=COVERS.path(key), pairs=pairs)
