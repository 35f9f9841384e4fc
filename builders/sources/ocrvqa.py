"""OCR-VQA: 207,572 book covers with two to seven question-answer pairs each."""

from collections.abc import Iterator

import msgspec

from mix665k.builders.licences import Paper, Terms, Use
from mix665k.builders.provenance import by_name, number_of
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, Download, Lead, RawFile, source
from mix665k.schemas.conversation import Conversation, Pair


class Book(msgspec.Struct, gc=False):
    """`"000195850X": {"imageURL": …, "questions": […], "answers": […], "split": 1, …}`, keyed by an Amazon id."""

    questions: list[str]
    answers: list[str]
    split: int


class Cover(msgspec.Struct, gc=False):
    """The same record's `"imageURL": "http://ecx.images-amazon.com/images/I/51l6XIoa3rL.jpg"`, or .gif, or .png."""

    imageURL: str  # noqa: N815, the publisher's name


_PAGE = "https://drive.google.com/file/d/1r0tyZUwGCc4wIG4RkiglCGNL_nFJjR6Q/view"
"""`dataset.json` in the folder 1_GYPY5UkUy7HIcR0zq3ZCFgeZN7BAfm_ of Google Drive, to which ocr-vqa.github.io links."""
ABOUT = About(
    title="OCR-VQA-200K",
    files=(
        RawFile(
            "books",
            "ocrvqa/dataset.json",
            Book,
            "{}",
            "key",
            Download("dataset.json", by_hand=_PAGE),
            113_000_000,
        ),
    ),
    licence="research use",
    image_licence="covers: their publishers",
    images="ocr_vqa/images/<key>.jpg",
    counts="207,572 books, split 1 / 2 / 3",
    terms=Terms(
        text=Use("no", "given for research only"),
        images=Use("no", "book covers, © their publishers"),
        papers=(
            Paper(
                "mishra2019ocrvqa",
                "Mishra, Anand and Shekhar, Shashank and Singh, Ajeet Kumar and Chakraborty, Anirban",
                "OCR-VQA: Visual Question Answering by Reading Text in Images",
                "International Conference on Document Analysis and Recognition (ICDAR)",
                2019,
            ),
        ),
    ),
)


def cover_path(key: str) -> str:
    """A book's image in the mixture, always named `.jpg`, whatever its URL ends in."""
    return f"ocr_vqa/images/{key}.jpg"


def _asked(origin: str, book: Book) -> dict[str, list[int]]:  # noqa: ARG001, see `Lead.items`
    return {"questions": [number_of(origin)], "answers": [number_of(origin)]}


@source(ABOUT, trail=(Lead("books", by_name, items=_asked),))
def ocrvqa(raw: RawFiles, *, splits: list[int] = [1]) -> Iterator[Conversation]:  # noqa: B006, read only
    """One conversation per book of the splits, all its pairs in raw order and verbatim, even an author `*`."""
    for key, book in raw.entries("books", counted=True):
        num_pairs = len(book.questions)
        if num_pairs != len(book.answers) or not num_pairs:
            why = f"{num_pairs} questions and {len(book.answers)} answers, expected as many of each and at least one"
            raw.reject("books", key, why, counted=True)
            continue
        raw.tally.enter(pairs=num_pairs)
        if book.split not in splits:
            raw.tally.drop(f"split {book.split}", key, pairs=num_pairs)
            continue
        pairs = [
            Pair(question, answer, f"{key}/{i}")
            for i, (question, answer) in enumerate(zip(book.questions, book.answers, strict=True))
            if answer.strip()
        ]
        if empty := num_pairs - len(pairs):
            raw.tally.drop("empty answer", key, conversations=int(not pairs), pairs=empty)
        if not pairs:
            continue
        yield Conversation(key, cover_path(key), pairs, key)
