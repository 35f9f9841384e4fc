"""Records to make pages of, and the pages."""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from mix665k.mixtures.inspect.findings import Inspection
from mix665k.mixtures.inspect.html.page import Page, Written, write_page
from tests.mixtures.small import SHORT, look, record, written

LETTER = "Answer with the option's letter from the given choices directly."
EVIL = "<script>window.ran = true</script>"
WIDE = "vg/VG_100K/wide.jpg"
RECORDS: list[dict[str, Any]] = [
    record("chat_0", None, f"Who are you? {EVIL}", "</p></script><img src=x onerror='window.ran = true'>"),
    record("chat_1", None, "مرحبا، كيف حالك؟", "שלום 红色", "more", "word " * 400),
    record("chat_2", None, *("ping", "pong") * 20),
    record(7, "gqa/images/7.jpg", f"<image>\nIs it dry?\n{SHORT}", "Yes", "And wet?", "No"),
    record("8", "gqa/images/8.jpg", f"<image>\nIs it red?\n{SHORT}", "yes."),
    *(
        record(letter, "coco/train2017/1.jpg", f"<image>\nWhich?\nA. a\nB. b\nC. c\nD. d\n{LETTER}", letter)
        for letter in "ABCD"
    ),
    record(
        "wide",
        WIDE,
        "<image>\nPlease provide a short description for this region: [0.1, 0.35, 0.5, 0.55].",
        "A blue board.",
        "Please provide the bounding box coordinate of the region this sentence describes: the sky.",
        "[0.0, 0.25, 1.0, 0.3]",
    ),
]
"""Text only, with HTML, from right to left, long ones, many turns; a wide image with two regions."""


def draw(path: Path, size: tuple[int, int], rectangle: tuple[int, int, int, int] | None = None) -> Path:
    """A white picture with a blue rectangle: left, top, right, bottom."""
    image = Image.new("RGB", size, "white")
    if rectangle:
        left, top, right, bottom = rectangle
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill="blue")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=95)
    return path


def found_in(folder: Path, records: Any, *, sample: int = 12) -> Inspection:
    """What an inspection finds in a file of these records."""
    return look(written(folder, records), sample=sample)


def made(found: Inspection, page: Page) -> Written:
    """Write a page."""
    return write_page(found, page, advance=lambda share: None)
