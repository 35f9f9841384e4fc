"""Region boxes of a record's turns, back on the image.

They are undone by `schemas.boxes.pixels`, the inverse of the function that wrote them; so that a shared mistake is
seen, the test draws pages in a browser and measures pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mix665k.schemas.boxes import Box, Convention, Size, leaves, pixels
from mix665k.schemas.conversation import BOX

COLOURS = (
    "#ff3b30", "#0a84ff", "#30d158", "#ffcc00", "#d65cff", "#ff9500", "#00d5d0", "#ff5fa2", "#b98a5a", "#a8e05f",
)  # fmt: skip
"""Told apart on photographs; a record of the published recipe has at most ten boxes."""
WHOLE_SQUARE = Size(1000, 1000)
"""Stands for an image whose size is not known: boxes are then shown as the text has them."""
_ROUNDED_OFF = 0.005
_TAG_HEIGHT, _TAG_WIDTH, _DIGIT_WIDTH = 5.2, 1.6, 2.6  # in hundredths of the longer side


class DrawnBox(NamedTuple):
    """The box of a turn on the image, in pixels of the original.

    `outside` says that it leaves the image, beyond what rounding to two places can do, so that another convention is
    likely.
    """

    number: int
    colour: str
    box: Box
    outside: bool

    @property
    def place(self) -> str:
        """Its corners in whole pixels."""
        x, y, width, height = self.box
        return f"{x:.0f}, {y:.0f} to {x + width:.0f}, {y + height:.0f}"


class Span(NamedTuple):
    """A piece of a turn's text, and the box it writes, if any."""

    text: str
    box: DrawnBox | None


def spans(turns: Sequence[str], *, size: Size | None, convention: Convention) -> list[list[Span]]:
    """The texts of all turns in pieces, the boxes numbered in reading order; equal ones are one box.

    Without a `size` boxes lie on `WHOLE_SQUARE`, padding included.
    """
    found: list[list[Span]] = []
    known: dict[str, DrawnBox] = {}
    for turn in turns:
        pieces, end = [], 0
        for match in BOX.finditer(turn):
            if match[0] not in known:
                left, top, right, bottom = (float(edge) for edge in match.groups())
                edges = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
                known[match[0]] = _drawn(len(known) + 1, edges, size=size, convention=convention)
            pieces += [Span(turn[end : match.start()], None), Span(match[0], known[match[0]])]
            end = match.end()
        pieces.append(Span(turn[end:], None))
        found.append([piece for piece in pieces if piece.text])
    return found


def place_tags(boxes: Sequence[DrawnBox], *, canvas: Size) -> dict[int, Box]:
    """Where the number of each box stands: at a corner, on the image, and where possible not on another number."""
    unit = max(canvas) / 100
    placed: dict[int, Box] = {}
    for drawn in sorted(boxes, key=lambda drawn: drawn.number):
        width, height = (_TAG_WIDTH + _DIGIT_WIDTH * len(str(drawn.number))) * unit, _TAG_HEIGHT * unit
        x, y, wide, high = drawn.box
        lefts = [_within(left, canvas.width - width) for left in (x, x + wide - width)]
        tops = [_within(top, canvas.height - height) for top in (y - height, y + high, y)]
        tags = [Box(x=left, y=top, width=width, height=height) for top in tops for left in lefts]
        placed[drawn.number] = min(tags, key=lambda tag: sum(_overlap(tag, other) for other in placed.values()))
    return placed


def _within(value: float, most: float) -> float:
    return max(0.0, min(value, most))


def _overlap(one: Box, other: Box) -> float:
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(wide, 0.0) * max(high, 0.0)


def _drawn(
    number: int, edges: tuple[float, float, float, float], *, size: Size | None, convention: Convention
) -> DrawnBox:
    colour = COLOURS[(number - 1) % len(COLOURS)]
    if size is None:
        box = pixels(edges, WHOLE_SQUARE, "plain")
        return DrawnBox(number=number, colour=colour, box=box, outside=False)
    box = pixels(edges, size, convention)
    slack = _ROUNDED_OFF * max(size) + 1
    inner = Box(x=box.x + slack, y=box.y + slack, width=box.width - 2 * slack, height=box.height - 2 * slack)
    return DrawnBox(number=number, colour=colour, box=box, outside=leaves(inner, size))
