"""A small JPEG for every image that raw files name, in the folders that the mixture expects."""

from pathlib import Path
from random import Random
from zlib import crc32

from mix665k.builders.synthetic.pictures import Picture, named_pictures

COLOURS = (
    (190, 60, 50),
    (60, 140, 70),
    (50, 80, 170),
    (220, 180, 60),
    (130, 80, 150),
    (70, 160, 170),
    (235, 235, 225),
)
OUTLINES = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
GREY_ONE_IN = 40


def draw_images(raw: Path, out: Path, *, long_side_px: int = 80, quality: int = 80) -> int:
    """Draw every image that the raw files below `raw` name, and give their number.

    Pictures keep the aspect ratio that a raw file states. They are coloured blocks that depend on the image's
    name alone, with a few of the image's boxes outlined; one in forty is grey.
    """
    pictures = named_pictures(raw)
    for picture in pictures:
        path = out / picture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(path, picture, long_side_px=long_side_px, quality=quality)
    return len(pictures)


def draw_picture(path: Path, picture: Picture, *, long_side_px: int, quality: int) -> None:
    """Draw one picture and write it as a JPEG."""
    from PIL import Image, ImageDraw  # here, so that writing raw files does not need Pillow

    scale = long_side_px / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    rng = Random(picture.path)
    background, *colours = rng.sample(COLOURS, k=len(COLOURS))
    image = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(image)
    for colour in colours[: rng.randint(3, 5)]:
        x, y = int(rng.random() * width * 0.8), int(rng.random() * height * 0.8)
        shape = draw.rectangle if rng.random() < 0.6 else draw.ellipse
        shape((x, y, x + int(4 + rng.random() * width / 2), y + int(4 + rng.random() * height / 2)), fill=colour)
    for outline, (left, top, box_width, box_height) in zip(OUTLINES, picture.boxes, strict=False):
        right, bottom = left + box_width, top + box_height
        draw.rectangle((left * scale, top * scale, right * scale, bottom * scale), outline=outline)
    if crc32(picture.path.encode()) % GREY_ONE_IN == 0:
        image = image.convert("L")
    image.save(path, "JPEG", quality=quality)
