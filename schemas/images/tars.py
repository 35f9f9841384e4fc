"""Pictures in tar files: a folder of images packed as it is, or WebDataset samples."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from mix665k.schemas.errors import ImageFileError, one_line
from mix665k.schemas.files import UNREADABLE, os_errors, regular_file
from mix665k.schemas.images.found import Found

_SAMPLE = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
"""A file of a sample: its key, up to the first dot of its last part, as webdataset splits names."""
_MAX_JSON = 10_000_000
MAX_BYTES = 2_000_000_000
"""Of one picture; what claims more would take the memory of a training process."""
_BLOCK = 512


class _Names(msgspec.Struct):
    """What the JSON of a sample calls its pictures: `images` as `mix export` writes, or `image`."""

    images: list[str] | None = None
    image: str | None = None

    @property
    def all(self) -> list[str]:
        """In reading order."""
        return self.images or [self.image] * (self.image is not None)  # type: ignore[list-item]


class _Member(NamedTuple):
    """A file of a tar: its path, and where its bytes are."""

    path: str
    offset: int
    size: int


def pictures_in_tar(path: Path) -> Iterator[Found]:
    """The files of a tar by their paths in it, and the pictures of a sample also by the names that its JSON has.

    Only headers and JSON are read. What is no picture is found out when somebody asks for it.

    Raises:
        ImageFileError: when it is cut off, damaged, compressed, or has files that no picture is.
    """
    with os_errors(ImageFileError, path), regular_file(path).open("rb") as raw:
        key: str | None = None
        sample: list[_Member] = []
        for member in _members(raw, path):
            found = _SAMPLE.fullmatch(member.path)
            if found is None or found[1] != key:
                yield from _by_json(sample, raw)
                key, sample = (found[1] if found else None), []
            sample.append(member)
            if not member.path.endswith(".json"):
                yield Found(member.path.removeprefix("./"), member.size, member.offset)
        yield from _by_json(sample, raw)


def _members(raw: IO[bytes], path: Path) -> Iterator[_Member]:
    """The regular files, each as soon as its header is read."""
    try:
        with tarfile.open(fileobj=raw, mode="r:") as tar:
            while member := tar.next():
                tar.members = []  # type: ignore[attr-defined]  # it keeps all of them otherwise
                if member.isfile():
                    yield _checked(member, path)
            end = tar.offset
    except (tarfile.TarError, EOFError, UnicodeError, ValueError) as error:
        raise ImageFileError(f"{path}: no sound tar file: {one_line(error)}; {_fix(path)}") from None
    # tarfile takes a damaged header, and a file that ends between two members, for the end
    raw.seek(end)
    if raw.read(_BLOCK) != bytes(_BLOCK):
        raise ImageFileError(f"{path}: ends or is damaged at byte {end:,}, expected a tar's end mark; {_fix(path)}")


def _checked(member: tarfile.TarInfo, path: Path) -> _Member:
    shown = f"{path}: {member.name!r}"
    if member.issparse():
        raise ImageFileError(f"{shown}: a sparse file, expected a plain one; pack it without --sparse")
    if member.size > MAX_BYTES:
        raise ImageFileError(f"{shown}: {member.size:,} bytes, expected a picture of at most {MAX_BYTES:,}")
    if any("\ud800" <= char <= "\udfff" for char in member.name):
        raise ImageFileError(f"{shown}: a name that is not UTF-8; rename it")
    return _Member(member.name, member.offset_data, member.size)


def _fix(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    return "it is compressed, unpack it to .tar" if start in (b"\x1f\x8b", b"BZ", b"\xfd7") else "download it again"


def _by_json(sample: list[_Member], raw: IO[bytes]) -> Iterator[Found]:
    """The pictures of a sample by the names in its JSON, where it has as many names as pictures."""
    described = [member for member in sample if member.path.endswith(".json")]
    pictures = [member for member in sample if not member.path.endswith(".json")]
    if not pictures or len(described) != 1 or described[0].size > _MAX_JSON:
        return
    at = raw.tell()
    raw.seek(described[0].offset)
    content = raw.read(described[0].size)
    raw.seek(at)
    try:
        names = msgspec.json.decode(content, type=_Names).all
    except UNREADABLE:
        return  # JSON of another form names no picture
    if len(names) == len(pictures):
        for name, member in zip(names, pictures, strict=True):
            yield Found(name, member.size, member.offset)
