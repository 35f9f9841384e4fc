"""Picture files of every format that is read, damaged, and judged by `mix images` and by the trainer."""

import io
import os
import warnings
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageOps

from mix665k.mixtures.images.decoding import check_file
from mix665k.schemas.image_names import image_path
from mix665k.schemas.pictures import FORMATS
from mix665k.trainer.data.images import find_faults
from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.damage import mutate_bytes

TRACE = "code-ran"
_SUFFIX = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif", "SGI": "sgi"}
_MODES = ("RGB", "L", "P", "RGBA", "CMYK", "I;16", "1")
_HEADERS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(code-ran) (w) file closefile\n%%EOF\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0",
    b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    b"GIF89a\xff\xff\xff\xff\xf7\0\0",
    b"\xff\xd8\xff\xe0",
    b"BM" + b"\xff" * 52,
    b"P6 99999 99999 255\n",
    b"",
)


@cache
def _sound(form: str, mode: str) -> bytes | None:
    """A small picture of a format, None where it has no such mode."""
    made = ImageOps.colorize(Image.linear_gradient("L").resize((24, 16)), "red", "blue")
    sink = io.BytesIO()
    try:
        made.convert("L" if mode == "I;16" else mode).convert(mode).save(sink, form)
    except (OSError, ValueError, KeyError):
        return None
    return sink.getvalue()


def make(number: int, seed: int, folder: Path) -> Case:
    """A damaged picture under the name of its format or of another."""
    warnings.simplefilter("ignore")
    rng = Random(f"pictures/{seed}/{number}")
    form = FORMATS[number % len(FORMATS)]
    content = None
    while content is None:
        mode = rng.choice(_MODES)
        content = _sound(form, mode)
    if rng.random() < 0.05:
        what, damaged = "a header alone", rng.choice(_HEADERS)
    else:
        mutation = mutate_bytes(rng, content)
        what, damaged = mutation.what, mutation.content
    suffix = _SUFFIX.get(form, form.lower()) if rng.random() < 0.8 else "jpg"
    name = f"a.{suffix}"
    (folder / name).write_bytes(damaged)
    return Case(form, f"{mode}: {what}, named .{suffix}", lambda: _judged(folder, name))


def _judged(folder: Path, name: str) -> Verdict:
    programs = folder / "programs"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {folder / TRACE}\n")
    (programs / "gs").chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{programs}{os.pathsep}{before}"
    try:
        checked = check_file(image_path(folder, name), name=name, min_side_px=1)
        trained = dict(find_faults(folder, [name], decode=True, jobs=1, on_done=lambda: None))
    finally:
        os.environ["PATH"] = before
    if (folder / TRACE).exists():
        return Verdict(None, "outside", "a program was started")
    if checked.finding is None and name in trained:
        return Verdict("other", "silent", f"sound for mix images, for the trainer: {trained[name]}")
    if checked.finding in ("not decodable",) and name not in trained:
        return Verdict("other", "silent", f"{checked.finding} for mix images: {checked.detail}, sound for the trainer")
    return Verdict("refused" if checked.finding else "passed")


KIND = Kind(
    name="pictures",
    about="pictures of every format that is read and of several modes, damaged or headers alone, judged by `mix "
    "images` and by the trainer, which have to agree; a `gs` on the path that must not be started",
    cases=6_000,
    make=make,
)
