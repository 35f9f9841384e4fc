"""Scenes: what a made-up picture shows, so that every raw file can say something true about it.

A scene follows from the seed and the picture's name alone. Sources that share a picture share its scene, and a
process needs no other process's draws.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from mix665k.builders.synthetic.image_ids import WEB_SIZES, coco_size, guessed_size, vg_size
from mix665k.builders.synthetic.text import WORDS

COLORS = {
    "red": (200, 40, 40),
    "green": (40, 150, 70),
    "blue": (40, 80, 200),
    "yellow": (240, 210, 60),
    "purple": (135, 60, 165),
    "white": (240, 240, 235),
    "black": (25, 25, 25),
}
GREYS = {"white": (240, 240, 240), "grey": (128, 128, 128), "black": (25, 25, 25)}
KINDS = ("circle", "square", "triangle")
CORNERS = {"circle": 0, "square": 4, "triangle": 3}
LARGE, SMALL = 0.85, 0.5  # of a cell's shorter side
GREY_ONE_IN = 40
WRITTEN_ONE_IN = 8  # scenes with a word, where not every one has to have it
ALWAYS_WRITTEN = "textcaps/"
BAND = 0.25  # of the height: the strip at the bottom that a word is written in
SHAPES = (1, 1, 1, 2, 2, 3)
Size = tuple[int, int]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the original


class Shape(NamedTuple):
    """One coloured shape; the middle of its box is inside it."""

    kind: str
    color: str
    large: bool
    box: Box

    @property
    def name(self) -> str:
        """`red circle`: no other shape of its scene has the same."""
        return f"{self.color} {self.kind}"

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of its box."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


class Scene(NamedTuple):
    """One to three shapes on a ground, from left to right (`row`) or from top to bottom, and perhaps a word.

    Colours differ between the shapes, and from the ground. A scene without shapes is never made.
    """

    size: Size
    ground: str
    shapes: tuple[Shape, ...]
    row: bool
    word: str | None
    grey: bool  # the picture has no colour channels

    @property
    def palette(self) -> dict[str, tuple[int, int, int]]:
        """The colours that it may be drawn in."""
        return GREYS if self.grey else COLORS

    @property
    def word_box(self) -> Box:
        """The strip that holds the word."""
        width, height = self.size
        top = round(height * (1 - BAND))
        return round(width * 0.05), top, round(width * 0.9), height - top


def relation(scene: Scene, one: Shape, other: Shape) -> str:
    """Where `one` is, seen from `other`: both are shapes of the scene."""
    first = scene.shapes.index(one) < scene.shapes.index(other)
    if scene.row:
        return "to the left of" if first else "to the right of"
    return "above" if first else "below"


def side(scene: Scene, shape: Shape) -> str | None:
    """`left`, `right` or `middle` of the picture; None where it would be a matter of opinion."""
    across = shape.middle[0] / scene.size[0]
    places = (("left", 0, 0.4), ("middle", 0.45, 0.55), ("right", 0.6, 1))
    return next((name for name, least, most in places if least <= across <= most), None)


def make_scene(name: str, size: Size, *, seed: int) -> Scene:
    """The scene of a picture by its family and its own name, `coco/7`; its word does not depend on its size."""
    rng = Random(f"{seed}/scene/{name}")
    grey = rng.randrange(GREY_ONE_IN) == 0
    has_word = rng.randrange(WRITTEN_ONE_IN) == 0 or name.startswith(ALWAYS_WRITTEN)
    word = rng.choice([noun for noun in WORDS["noun"] if len(noun) <= 6])
    ground, *colors = rng.sample(sorted(GREYS if grey else COLORS), k=3 if grey else 4)
    number, row = min(rng.choice(SHAPES), len(colors)), rng.random() < 0.5
    width, height = size[0], round(size[1] * (1 - BAND)) if has_word else size[1]
    shapes = []
    for place, color in enumerate(colors[:number]):
        cell = (width // number, height) if row else (width, height // number)
        corner = (place * cell[0], 0) if row else (0, place * cell[1])
        shapes.append(_shape(rng, color, corner=corner, cell=cell))
    return Scene(size, ground, tuple(shapes), row=row, word=word if has_word else None, grey=grey)


def _shape(rng: Random, color: str, *, corner: Sequence[int], cell: Size) -> Shape:
    kind, large = rng.choice(KINDS), rng.random() < 0.6
    length = max(1, round(min(cell) * (LARGE if large else SMALL)))
    x, y = (start + int(rng.random() * (room - length)) for start, room in zip(corner, cell, strict=True))
    return Shape(kind, color, large=large, box=(x, y, length, length))


def coco_scene(image_id: int, *, seed: int) -> Scene:
    """The scene of a COCO image, which six sources share."""
    return make_scene(f"coco/{image_id}", coco_size(image_id), seed=seed)


def vg_scene(image_id: int, *, seed: int) -> Scene:
    """The scene of a Visual Genome image, which GQA shares."""
    return make_scene(f"vg/{image_id}", vg_size(image_id), seed=seed)


def textcaps_scene(name: str, size: Size, *, seed: int) -> Scene:
    """The scene of an image of TextCaps: there is always a word in it."""
    return make_scene(f"textcaps/{name}", size, seed=seed)


def web_scene(path: str, *, seed: int) -> Scene:
    """The scene of an image of LCS-558K, by its path below its folder."""
    return make_scene(f"web/{path}", guessed_size(path, WEB_SIZES), seed=seed)
