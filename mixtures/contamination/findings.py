"""What is found about a mixture and evaluation sets: what `mix contamination` prints, as `--format json` gives it."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """How something of an evaluation set can be in a mixture.

    images    an image of the set, known by its id
    pairs     a question of the set about the same image, known by its id or by its content
    text      a question of the set that is asked about other images only
    content   a file of the set's images: the same bytes, or the same pixels
    """

    IMAGES = "images"
    PAIRS = "pairs"
    TEXT = "text"
    CONTENT = "content"


UNITS = {
    Kind.IMAGES: "images",
    Kind.PAIRS: "questions about the same image",
    Kind.TEXT: "questions about other images",
    Kind.CONTENT: "image files",
}
"""What is counted."""


class Shared(msgspec.Struct):
    """How much of a set is in one source, or in all: images, questions (`pairs`, `text`) and files (`content`).

    `records` has how many records of the mixture hold such.
    """

    source: str
    images: int
    pairs: int
    text: int
    content: int
    records: dict[Kind, int]

    def of(self, kind: Kind) -> int:
        """The number of one kind."""
        return {Kind.IMAGES: self.images, Kind.PAIRS: self.pairs, Kind.TEXT: self.text, Kind.CONTENT: self.content}[
            kind
        ]


class Hit(msgspec.Struct, omit_defaults=True):
    """One thing of a set that is in the mixture, with the records that hold it.

    `evaluation` is an image's key, a question's id or a file's name. One text stands for all questions of that text,
    `evaluation` is the first then; of its records the first ten are named, of all others every one.
    """

    set: str
    by: Kind
    evaluation: str
    num_records: int
    records: list[str]
    image: str | None = None
    question: str | None = None
    questions: int = 1


class SetOverlap(msgspec.Struct):
    """One evaluation set beside the mixture.

    `left_out` records are of its own training split, `files` are the images that were compared by content.
    """

    name: str
    file: str
    layout: str
    sha256: str
    questions: int
    images: int
    left_out: int
    files: int
    total: Shared
    sources: list[Shared]
    examples: list[Hit]

    def share(self, kind: Kind) -> float | None:
        """Which part of the set is touched, of 1; None where it has nothing of the kind."""
        whole = {Kind.IMAGES: self.images, Kind.CONTENT: self.files}.get(kind, self.questions)
        return self.total.of(kind) / whole if whole else None


class Split(msgspec.Struct):
    """An evaluation split of a data set that shares its images with others, such as RefCOCO, RefCOCO+ and RefCOCOg.

    `title` is what these are called together. `trained` has how many images of the split are in the training split of
    each of them; the last two are how many are in the mixture, and in how many records.
    """

    title: str
    name: str
    images: int
    trained: dict[str, int]
    in_mixture: int
    records: int


class ImageFiles(msgspec.Struct):
    """How images were compared by content; the lists name what could not be."""

    images: int
    files: int
    missing: list[str]
    unreadable: list[str]


class Dropped(msgspec.Struct):
    """The clean mixture that was written."""

    path: str
    row_hash: str
    by: list[Kind]
    records: int
    pairs: int
    reasons: dict[str, int]


class Contamination(msgspec.Struct):
    """All that was found. Without `image_data`, Visual Genome's images were not looked for among COCO's."""

    path: str
    name: str
    row_hash: str | None
    records: int
    image_data: str | None
    sets: list[SetOverlap]
    splits: list[Split] = []
    pictures: ImageFiles | None = None
    dropped: Dropped | None = None


def to_json(found: Contamination) -> str:
    """The whole as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
