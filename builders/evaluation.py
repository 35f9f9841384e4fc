"""How evaluation sets are published: what `mix contamination` reads of them.

A source whose data set has evaluation files of its own declares their layout, and its splits where others evaluate on
the images that it trains on.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.image_collections import ImageCollection


class Item(NamedTuple):
    """One thing an evaluation set asks: its id, the image's id or name, and the text; either may be missing."""

    id: str
    image: str | None
    text: str | None


class EvaluationLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How the records of an evaluation set are stored in its file, and what they ask.

    `at` is that of a `RawFile`, or `list` for JSON lists, JSON lines and tables alike. A record that has all `keys`
    identifies the layout. `items` gives what a record asks, from its id and the record. `id` is the field that tells
    records apart (None: ids may repeat). Image ids that are bare numbers belong to `collection`. With `splits`, records
    of the split `train` are no part of the evaluation set.
    """

    name: str
    at: str
    form: type
    keys: frozenset[str]
    items: Callable[[str, Any], Iterator[Item]]
    id: str | None = None
    collection: ImageCollection | None = None
    splits: bool = False


class ImageSplits(msgspec.Struct, frozen=True, kw_only=True):
    """Data sets that split the same images in different ways: what one trains on, another may evaluate on.

    `roles` are the raw files by the name of their data set; their records have the fields `split` and `image_id`, an
    id of the source's image collection. `training` is the split that one trains on.
    """

    title: str
    roles: Mapping[str, str]
    training: str = "train"


class AskedQuestion(msgspec.Struct, gc=False):
    """A question as VQAv2, OK-VQA, A-OKVQA and TextVQA publish theirs."""

    question_id: int | str
    image_id: int | str
    question: str


def asked_question(identifier: str, record: AskedQuestion) -> Iterator[Item]:
    """The one thing that a record asks."""
    yield Item(identifier, str(record.image_id), record.question)
