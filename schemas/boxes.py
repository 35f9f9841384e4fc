"""Boxes in images, in pixels and as LLaVA writes them: fractions of the image, padded to a square or as it is."""

from typing import Literal, NamedTuple

Convention = Literal["square", "plain"]


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
