"""A small JPEG of its scene for every image that raw files name, in the folders that the mixture expects."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mix665k.builders.synthetic.books import GENRES
from mix665k.builders.synthetic.pictures import Cover, Picture, named_pictures
from mix665k.builders.synthetic.scenes import COLORS, KINDS, Scene, make_scene

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

INK = {"dark": (0, 0, 0), "light": (255, 255, 255)}
LETTERS_PX = (96, 72, 54, 40, 32, 27, 23, 20, 17, 15, 13, 11, 10, 9, 8, 7, 6)
COVER_GROUNDS = ("red", "green", "blue", "purple")


def draw_images(raw: Path, out: Path, *, seed: int, long_side_px: int = 128, quality: int = 85) -> int:
    """Draw every image that the raw files below `raw` name, and give their number.

    Pictures keep the aspect ratio that a raw file states. Each shows the scene of its name and the seed, which is what
    raw files written with `scenes` and the same seed speak of; a book's cover shows what is printed on it. About one
    scene in forty is grey.
    """
    pictures = named_pictures(raw)
    for picture in pictures:
        path = out / picture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(path, picture, seed=seed, long_side_px=long_side_px, quality=quality)
    return len(pictures)


def draw_picture(path: Path, picture: Picture, *, seed: int, long_side_px: int, quality: int) -> None:
    """Draw one picture and write it as a JPEG."""
    from PIL import Image, ImageDraw  # here, so that writing raw files does not need Pillow

    scale = long_side_px / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    image = Image.new("RGB", (width, height))
    if picture.cover:
        _draw_cover(ImageDraw.Draw(image), picture.cover, size=image.size)
        grey = False
    else:
        scene = make_scene(picture.scene, picture.size, seed=seed)
        _draw_scene(ImageDraw.Draw(image), scene, scale=scale)
        grey = scene.grey
    (image.convert("L") if grey else image).save(path, "JPEG", quality=quality)


def _draw_scene(draw: "ImageDraw", scene: Scene, *, scale: float) -> None:
    ground = scene.palette[scene.ground]
    draw.rectangle((0, 0, *draw.im.size), fill=ground)
    for shape in scene.shapes:
        _draw_shape(draw, shape.kind, box=tuple(side * scale for side in shape.box), fill=scene.palette[shape.color])
    if scene.word:
        box = tuple(side * scale for side in scene.word_box)
        _write(draw, scene.word.upper(), box=box, ink=INK["light" if sum(ground) < 330 else "dark"])


def _draw_shape(draw: "ImageDraw", kind: str, *, box: tuple[float, ...], fill: tuple[int, int, int]) -> None:
    left, top, width, height = box
    right, bottom = left + width, top + height
    if kind == "circle":
        draw.ellipse((left, top, right, bottom), fill=fill)
    elif kind == "square":
        draw.rectangle((left, top, right, bottom), fill=fill)
    else:
        assert kind == "triangle", kind
        draw.polygon(((left, bottom), (left + width / 2, top), (right, bottom)), fill=fill)


def _draw_cover(draw: "ImageDraw", cover: Cover, *, size: tuple[int, int]) -> None:
    """The title above, an emblem whose kind and ground stand for the genre, the author and the year below."""
    width, height = size
    number = GENRES.index(cover.genre) if cover.genre in GENRES else 0
    draw.rectangle((0, 0, *size), fill=COLORS[COVER_GROUNDS[number % len(COVER_GROUNDS)]])
    side = height * 0.25
    emblem = ((width - side) / 2, height * 0.52, side, side)
    _draw_shape(draw, KINDS[number // len(COVER_GROUNDS) % len(KINDS)], box=emblem, fill=COLORS["yellow"])
    _write(draw, cover.title, box=(width * 0.04, height * 0.03, width * 0.92, height * 0.46), ink=INK["light"])
    printed = f"{cover.author} {cover.year}".strip()
    _write(draw, printed, box=(width * 0.04, height * 0.8, width * 0.92, height * 0.18), ink=INK["light"])


@cache
def _font(letter_px: int) -> "FreeTypeFont":
    from PIL import ImageFont

    font = ImageFont.load_default(letter_px)
    assert not isinstance(font, ImageFont.ImageFont), "Pillow without FreeType"
    return font


def _write(draw: "ImageDraw", text: str, *, box: tuple[float, ...], ink: tuple[int, int, int]) -> None:
    """Write a text in the middle of a box, in lines of words and letters as large as fit."""
    left, top, width, height = box
    for letter_px in LETTERS_PX:
        font = _font(letter_px)
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            lines = [*lines[:-1], longer] if font.getlength(longer) <= width or not lines[-1] else [*lines, word]
        if len(lines) * letter_px * 1.1 <= height and max(map(font.getlength, lines)) <= width:
            break
    middle = (left + width / 2, top + height / 2)
    draw.multiline_text(middle, "\n".join(lines), font=font, fill=ink, anchor="mm", align="center", spacing=1)
