"""Whether one image file can be used: all of it is decoded."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from mix665k.mixtures.images.findings import MAX_ASPECT, ImageFile, Verdict
from mix665k.schemas.errors import os_reason
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.images.folder import Images, ImagesFolder
from mix665k.schemas.images.places import images_at
from mix665k.schemas.pictures import DEEP, UNDECODABLE, is_turned, open_picture

FORMAT_OF = Image.registered_extensions()
"""The format that an extension stands for."""
_NOTES = {"CMYK": "CMYK", "P": "palette", "PA": "palette"}
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


def check_files(places: Sequence[ImageFile], *, folder: Path, min_side_px: int) -> list[Verdict]:
    """A verdict on each picture."""
    images = images_at(folder)
    if isinstance(images, ImagesFolder):
        return [check_file(folder / file, name=image, min_side_px=min_side_px) for image, file in places]
    return [_check_packed(images, file, name=image, min_side_px=min_side_px) for image, file in places]


def _check_packed(images: Images, file: str, *, name: str, min_side_px: int) -> Verdict:
    """What is wrong with a picture of shards."""
    if why := name_fault(name):
        return Verdict("missing", why)
    try:
        content = images.read(file)
    except FileNotFoundError:
        return Verdict("missing")
    except OSError as error:
        return Verdict("unreadable", os_reason(error))
    return _check_content(BytesIO(content), name, min_side_px) if content else Verdict("implausible size", "0 bytes")


def check_file(path: Path, *, name: str, min_side_px: int) -> Verdict:
    """What is wrong with a file for a mixture that has this name for it."""
    if why := name_fault(name):
        return Verdict("missing", why)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would never end
            return Verdict("not a file", "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe")
        if found.st_size == 0:
            return Verdict("implausible size", "0 bytes")
        with path.open("rb") as file:
            return _check_content(file, name, min_side_px)
    except OSError as error:
        return _not_readable(path, error)
    except ValueError:  # a name that no file can have
        return Verdict("missing")


def wanted_format(name: str) -> str | None:
    """The format that the extension of a name stands for, if it has one."""
    return FORMAT_OF.get(os.path.splitext(name)[1].lower())  # noqa: PTH122, a third of the time of a Path


def _not_readable(path: Path, error: OSError) -> Verdict:
    if error.errno in _ABSENT:
        if os.path.islink(path):  # noqa: PTH114, a Path complains of long names
            return Verdict("not a file", f"a link to {path.readlink()}, which is not there")
        return Verdict("missing")
    return Verdict("unreadable", os_reason(error))


def _check_content(file: IO[bytes], name: str, min_side_px: int) -> Verdict:
    try:
        picture = open_picture(file)
        form, mode = picture.format, picture.mode
        if why := _implausible(*picture.size, min_side_px):
            return Verdict("implausible size", why)
        # At an eighth of a JPEG's size every bit of it is still read, which is what finds damage; most of the transform
        # is saved. On thousands of damaged files the verdicts were those of decoding at full size.
        picture.draft(None, (1, 1))
        picture.load()
    except Image.DecompressionBombError as error:
        return Verdict("implausible size", str(error).partition(", could")[0].lower())
    except UNDECODABLE as error:
        return _damaged(file, error)
    if form == "MPO":  # a JPEG with further pictures behind it
        form = "JPEG"
    if form == "JPEG" and not _is_ended(file):
        return Verdict("truncated", "has no end marker, filled up with other bytes")
    if form != (wanted_format(name) or form):
        return Verdict("wrong format", f"{form}, named {Path(name).suffix}")
    return Verdict(note=" and ".join(_notes(picture, mode)))


def _notes(picture: Image.Image, mode: str) -> Iterator[str]:
    """What training makes of a sound picture that its author may not expect, see `schemas.pictures.to_rgb`."""
    if mode in _NOTES:
        yield _NOTES[mode]
    if mode in DEEP:
        yield "more than 8 bits (scaled)"
    if picture.has_transparency_data:
        yield "transparent (black in training by default)"
    if is_turned(picture):
        yield "turned by EXIF (ignored in training)"


def _implausible(width: int, height: int, min_side_px: int) -> str | None:
    short, long = sorted((width, height))
    if short < min_side_px:
        return f"{width} x {height} pixels, expected {min_side_px} or more"
    if long > MAX_ASPECT * short:
        return f"{width} x {height} pixels, expected no side over {MAX_ASPECT} times the other"
    return None


def _damaged(file: IO[bytes], error: BaseException) -> Verdict:
    """Whether a file that cannot be decoded ends too soon, or what else it is."""
    if isinstance(error, OSError) and error.errno is not None:
        return Verdict("unreadable", os_reason(error))
    why = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, UnidentifiedImageError):
        if isinstance(error, EOFError) or "truncated" in why.lower():
            return _truncated(file)
        return Verdict("not decodable", why)
    file.seek(0)
    content = file.read()
    if content.startswith(_JPEG_START) and _JPEG_SCAN not in content:
        return _truncated(file)
    start = content[:40]
    if start.isascii() and (text := " ".join(start.decode("ascii").split())).isprintable():
        return Verdict("not decodable", f"text that begins {text!r}")
    return Verdict("not decodable", f"no picture, begins {start[:8].hex(' ')}")


def _truncated(file: IO[bytes]) -> Verdict:
    return Verdict("truncated", f"ends after {file.seek(0, os.SEEK_END):,} bytes")


def _is_ended(file: IO[bytes]) -> bool:
    """Whether a JPEG has an end marker; a decoder takes zeros that fill up the file for grey and says nothing."""
    file.seek(-len(_JPEG_END), os.SEEK_END)
    if file.read() == _JPEG_END:
        return True
    file.seek(0)
    content = file.read()
    return content.find(_JPEG_END, content.find(_JPEG_SCAN)) != -1
