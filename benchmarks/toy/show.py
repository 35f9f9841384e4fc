"""A picture and what a model says about it, in a terminal and as a PNG."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS = 40
SIDE_PX, LINE_PX = 480, 30


def print_picture(console: Console, path: Path, *, columns: int = COLUMNS) -> None:
    """Print a picture as half blocks, two pixels in each: needs a terminal with colours, and is skipped without one."""
    if not console.color_system:
        return
    with Image.open(path) as image:
        rows = round(columns * image.height / image.width / 2)
        pixels = image.convert("RGB").resize((columns, 2 * rows))
    for row in range(rows):
        line = Text()
        for column in range(columns):
            upper, lower = (Color.from_rgb(*pixels.getpixel((column, 2 * row + half))) for half in (0, 1))  # type: ignore[misc]
            line.append("\u2580", Style(color=upper, bgcolor=lower))
        console.print(line)


def save_picture(out: Path, path: Path, lines: Sequence[str]) -> None:
    """Write the picture as a PNG with the lines below it."""
    with Image.open(path) as image:
        shown = image.convert("RGB")
    scale = SIDE_PX / max(shown.size)
    shown = shown.resize((round(shown.width * scale), round(shown.height * scale)), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (SIDE_PX + 40, shown.height + 60 + LINE_PX * len(lines)), "white")
    sheet.paste(shown, ((sheet.width - shown.width) // 2, 20))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((20, shown.height + 40 + LINE_PX * number), line, fill="black", font=ImageFont.load_default(18))
    sheet.save(out)
