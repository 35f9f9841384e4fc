"""Records as cards: a conversation beside its image."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mix665k.mixtures.inspect.findings import Sampled
from mix665k.mixtures.inspect.html.boxes import WHOLE_SQUARE, DrawnBox, Span, place_tags, spans
from mix665k.mixtures.inspect.html.pictures import Picture, read_picture
from mix665k.schemas.boxes import Box, Convention, Size
from mix665k.schemas.conversation import IMAGE_TOKEN, in_order

DEFAULT_CONVENTION: Convention = "square"
"""LLaVA's own; taken where no manifest tells a source's."""
_LONG_TEXT = 900
_MANY_BUBBLES = 24


class Bubble(NamedTuple):
    """What one side says. `boxes` are the numbers of all boxes of its question and answer; `folded` text is long."""

    role: str
    spans: list[Span]
    boxes: list[DrawnBox]
    num_chars: int
    folded: bool


class Card(NamedTuple):
    """A record. Boxes are sorted by size, so that a small one can be pointed at inside a large one.

    `canvas` is what they lie on: the image, or a square in place of one that is not there; `tags` are the places of
    their numbers. Nothing says on which of several images a box lies: it stays text. Bubbles from the number `folded`
    on are hidden at first.
    """

    source: str
    id: str
    picture: Picture | None
    more_pictures: list[Picture]
    system: str | None
    canvas: Size
    boxes: list[DrawnBox]
    tags: dict[int, Box]
    bubbles: list[Bubble]
    folded: int
    origins: list[str]
    steps: list[str]


class Gallery(NamedTuple):
    """All cards in the order of the sources, and what became of their images and boxes."""

    cards: list[Card]
    num_shown: int
    num_absent: int
    num_boxes: int
    num_outside: int

    def counts(self) -> dict[str, int]:
        """Cards by source."""
        names = [card.source for card in self.cards]
        return {name: names.count(name) for name in dict.fromkeys(names)}


def make_gallery(
    sampled: Sequence[Sampled],
    *,
    images: Path | None,
    conventions: dict[str, Convention],
    advance: Callable[[float], None],
) -> Gallery:
    """Cards of sampled records; `conventions` are those of sources that are known to have one."""
    cards = []
    for one in sampled:
        cards.append(_card(one, images, conventions.get(one.source, DEFAULT_CONVENTION)))
        advance(1 / len(sampled))
    boxes = [box for card in cards for box in card.boxes]
    pictures = [picture for card in cards if card.picture for picture in (card.picture, *card.more_pictures)]
    num_shown = sum(picture.uri is not None for picture in pictures)
    return Gallery(
        cards=cards,
        num_shown=num_shown,
        num_absent=len(pictures) - num_shown,
        num_boxes=len(boxes),
        num_outside=sum(box.outside for box in boxes),
    )


def _card(sampled: Sampled, images: Path | None, convention: Convention) -> Card:
    record: dict[str, Any] = sampled.record
    pictures = [read_picture(path, folder=images) for path in in_order(record.get("image"), record.get("more_images"))]
    picture = pictures[0] if pictures else None
    size = picture.size if picture else None
    turns = [turn["value"] for turn in record["conversations"]]
    texts = (
        spans(turns, size=size, convention=convention) if len(pictures) == 1 else [[Span(turn, None)] for turn in turns]
    )
    bubbles = [_bubble(turn["from"], texts, i) for i, turn in enumerate(record["conversations"])]
    boxes = _boxes(texts)
    return Card(
        source=sampled.source,
        id=str(record["id"]),
        picture=picture,
        more_pictures=pictures[1:],
        system=record.get("system"),
        canvas=size or WHOLE_SQUARE,
        boxes=sorted(boxes, key=lambda drawn: -drawn.box.width * drawn.box.height),
        tags=place_tags(boxes, canvas=size or WHOLE_SQUARE),
        bubbles=bubbles,
        folded=_MANY_BUBBLES if len(bubbles) > _MANY_BUBBLES + 4 else len(bubbles),
        origins=record.get("origins", []),
        steps=record.get("steps", []),
    )


def _bubble(role: str, texts: list[list[Span]], i: int) -> Bubble:
    """The turn `i`; its pair is itself and the turn before or after it."""
    pair = texts[i - i % 2 : i - i % 2 + 2]
    num_chars = sum(len(span.text) for span in texts[i])
    return Bubble(
        role=role,
        spans=_with_image_token(texts[i]),
        boxes=_boxes(pair),
        num_chars=num_chars,
        folded=num_chars > _LONG_TEXT,
    )


def _boxes(texts: list[list[Span]]) -> list[DrawnBox]:
    """The boxes of some turns, each once."""
    return list(dict.fromkeys(span.box for text in texts for span in text if span.box))


def _with_image_token(text: list[Span]) -> list[Span]:
    """Each image token as a piece of its own."""
    pieces = []
    for span in text:
        parts = re.split(f"({IMAGE_TOKEN})", span.text)
        pieces += [Span(piece, span.box) for piece in parts if piece]
    return pieces
