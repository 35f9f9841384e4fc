"""OCR-VQA: 207,572 book covers with two to seven question-answer pairs each."""

from collections.abc import Iterator

import msgspec

from builders.raw import RawFiles
from builders.registry import About, RawFile, source
from schemas.conversation import Conversation, Pair


class Book(msgspec.Struct, gc=False):
    """`"000195850X": {"imageURL": …, "questions": […], "answers": […], "split": 1, …}`, keyed by an Amazon id."""

    questions: list[str]
    answers: list[str]
    split: int


ABOUT = About(
    title="OCR-VQA-200K",
    files=(
        RawFile(
            "books",
            "ocrvqa/dataset.json",
            Book,
            "{}",
            "key",
            "https://ocr-vqa.github.io (Google Drive, by hand)",
            113_000_000,
        ),
    ),
    licence="research use",
    image_licence="covers: their publishers",
    images="ocr_vqa/images/<key>.jpg",
    counts="207,572 books, split 1 / 2 / 3",
)


@source(ABOUT)
def ocrvqa(raw: RawFiles, *, splits: list[int] = [1]) -> Iterator[Conversation]:  # noqa: B006, read only
    """One conversation per book of the splits, all its pairs in raw order and verbatim, even an author `*`.

    The image is always named `.jpg`, whatever the URL ends in.
    """
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
        yield Conversation(key, f"ocr_vqa/images/{key}.jpg", pairs, key)
