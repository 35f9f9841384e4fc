"""Region boxes as LLaVA writes them, and the two prompts that go with them."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import msgspec

from mix665k.builders.draw import Draw
from mix665k.builders.funnel import Dropped
from mix665k.builders.sentences import fold, upper_first, with_period
from mix665k.schemas.conversation import Pair, is_blank
from mix665k.schemas.prompts import REGION_QUESTIONS

Convention = Literal["square", "plain"]
Outside = Literal["clip", "drop"]
DESCRIBE, LOCATE = (
    f"{REGION_QUESTIONS['describe_region']}{{box}}.",
    f"{REGION_QUESTIONS['locate_region']}{{sentence}}",
)
AskWithBox = Annotated[str, msgspec.Meta(pattern=r"^[^{}]*\{box\}[^{}]*\Z", description="text with {box} in it")]
AskWithSentence = Annotated[
    str, msgspec.Meta(pattern=r"^[^{}]*\{sentence\}[^{}]*\Z", description="text with {sentence} in it")
]
Side = Annotated[int, msgspec.Meta(le=2**31 - 1)]
"""Pixels of an image's side as raw files give it: as many as PNG can have; an integer may be too large for a float."""


class Box(NamedTuple):
    """Pixels: left upper corner, width and height."""

    x: float
    y: float
    width: float
    height: float


class Size(NamedTuple):
    """Pixels of an image."""

    width: int
    height: int


def leaves(box: Box, size: Size) -> bool:
    """Whether a part of the box lies outside the image."""
    return box.x < 0 or box.y < 0 or box.x + box.width > size.width or box.y + box.height > size.height


def clipped(box: Box, size: Size) -> Box | None:
    """The part of a box inside the image; None when that has no area."""
    left, top = max(box.x, 0), max(box.y, 0)
    right, bottom = min(box.x + box.width, size.width), min(box.y + box.height, size.height)
    has_area = right > left and bottom > top  # false for NaN, too
    return Box(x=left, y=top, width=right - left, height=bottom - top) if has_area else None


def fractions(box: Box, size: Size, convention: Convention) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 as fractions of the image padded to a square (LLaVA #606), or of the image as it is (`plain`)."""
    left, top, wide, high = _canvas(size, convention)
    x, y = box.x + left, box.y + top
    return x / wide, y / high, (x + box.width) / wide, (y + box.height) / high


def pixels(edges: tuple[float, float, float, float], size: Size, convention: Convention) -> Box:
    """The box on the image that x1, y1, x2, y2 describe: what `fractions` does, undone."""
    left, top, wide, high = _canvas(size, convention)
    x1, y1, x2, y2 = edges
    return Box(x=x1 * wide - left, y=y1 * high - top, width=(x2 - x1) * wide, height=(y2 - y1) * high)


def _canvas(size: Size, convention: Convention) -> tuple[int, int, int, int]:
    """What fractions refer to: where the image stands on it, from the left and the top, its width and height."""
    if convention == "plain":
        return 0, 0, size.width, size.height
    side = max(size)
    return (side - size.width) // 2, (side - size.height) // 2, side, side


def box_text(edges: tuple[float, float, float, float]) -> str:
    """`[x1, y1, x2, y2]`, each rounded to two places and printed as Python prints a float."""
    return str([round(edge, 2) for edge in edges])


class RegionPairs(NamedTuple):
    """Makes pairs about regions; one of two prompts is drawn for each: `describe` and `locate`.

    `note` counts the boxes that have an area until they are rounded.
    """

    draw: Draw
    convention: Convention
    outside: Outside
    note: Callable[[str, str], None]
    describe: str = DESCRIBE
    locate: str = LOCATE

    def pair(self, sentence: str, box: Box, *, size: Size, origin: str) -> Pair | Dropped:
        """Describe a region, or say where it is; dropped is one without a sentence or without area inside the image."""
        sentence = fold(sentence)
        inside = clipped(box, size)
        if is_blank(sentence):
            return Dropped("empty sentence", origin, conversations=0)
        if inside is None:
            return Dropped("box has no area", origin, conversations=0)
        if self.outside == "drop" and leaves(box, size):
            return Dropped("box leaves the image", origin, conversations=0)
        text = box_text(fractions(inside, size, self.convention))
        x1, y1, x2, y2 = text[1:-1].split(", ")
        if x1 == x2 or y1 == y2:
            self.note("box collapses when rounded", origin)
        sentence = with_period(sentence)
        if self.draw.rank(origin) % 2:
            return Pair(self.describe.format(box=text), upper_first(sentence), origin)
        return Pair(self.locate.format(sentence=sentence), text, origin)
