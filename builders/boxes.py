"""Region boxes as LLaVA writes them, and the two prompts that go with them."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import msgspec

from mix665k.builders.draw import Draw
from mix665k.builders.funnel import Dropped
from mix665k.schemas.boxes import Box, Convention, Size, box_text, clipped, fractions, leaves
from mix665k.schemas.conversation import Pair, is_blank
from mix665k.schemas.prompts import REGION_QUESTIONS
from mix665k.schemas.sentences import fold, upper_first, with_period

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
