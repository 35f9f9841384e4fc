"""Unpacking archives that nobody vouches for: only what is asked for, only into its folder, only as much as it says."""

import errno
import gzip
import hashlib
import os
import re
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal, NamedTuple

from mix665k.mixtures.fetch.web import StoppedError
from mix665k.schemas.errors import FetchError
from mix665k.schemas.files import replacing

MAX_RATIO = 200
"""JSON packs to a twentieth or so, a picture not at all, a bomb to a thousandth (deflate's limit)."""
_LEAST_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, struct.error, EOFError, ValueError,
    LookupError, RuntimeError, NotImplementedError, OverflowError,
)  # fmt: skip
"""What the libraries raise on bytes that are no archive, a damaged one, or one with a password."""
_OUTSIDE = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)


class Member(NamedTuple):
    """A member of an archive as its directory tells it; `num_bytes` is the size it says it unpacks to."""

    name: str
    num_bytes: int
    kind: Literal["file", "folder", "other"]
    open: Callable[[], IO[bytes] | None]


class Unpacked(NamedTuple):
    """A file that is there now; the hash is None for one that was there before, of the same size."""

    path: Path
    num_bytes: int
    sha256: str | None


class Unpacking(NamedTuple):
    """`choose` says where a member goes, None for one that nobody asked for.

    `moved` hears the bytes written since its last call. With `keep` files that are there in the right size stay.
    """

    choose: Callable[[PurePosixPath], Path | None]
    moved: Callable[[int], None]
    stop: threading.Event
    keep: bool = False


def unpack(archive: Path, how: Unpacking) -> list[Unpacked]:
    """The chosen members of a zip or tar archive, each written whole or not at all.

    Raises:
        FetchError: for an archive that is damaged or hostile: paths that leave the folder, links, devices, a member
            twice, more bytes than it says or than its size can honestly hold.
        StoppedError: when the run ends.
    """
    left = max(MAX_RATIO * archive.stat().st_size, _LEAST_BYTES)
    done: dict[Path, Unpacked] = {}
    with _refusing(archive), _entries(archive) as entries:
        for entry in entries:
            if _OUTSIDE.match(entry.name) or "\0" in entry.name:
                raise _HostileError(f"{entry.name!r} is no path below a folder")
            path = how.choose(PurePosixPath(entry.name)) if entry.kind != "folder" else None
            left -= entry.num_bytes if path or archive.suffix != ".zip" else 0
            if left < 0:
                raise _HostileError(f"unpacks to more than {MAX_RATIO} times its size")
            if path is None:
                continue
            if entry.kind != "file":
                raise _HostileError(f"{entry.name!r} is a link or a device, expected a file")
            if path in done:
                raise _HostileError(f"{entry.name!r} occurs twice, expected once")
            done[path] = _write(entry, path, how)
    return list(done.values())


class _HostileError(Exception):
    pass


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    try:
        yield
    except _HostileError as error:
        raise FetchError(f"{archive}: {error}; not what a publisher makes, nothing more of it is unpacked") from None
    except _DAMAGED as error:
        why = " ".join(str(error).split()).lower() or type(error).__name__
        raise FetchError(f"{archive}: damaged, or no archive: {why}; remove it to fetch it again") from None
    except OSError as error:
        if error.errno != errno.EINVAL or error.filename is not None:
            raise
        why = "a place before its beginning"  # zipfile seeks wherever a directory says
        raise FetchError(f"{archive}: damaged, or no archive: {why}; remove it to fetch it again") from None


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[Member]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as pack:
            yield (
                Member(name=info.filename, num_bytes=info.file_size, kind=_kind(info), open=partial(pack.open, info))
                for info in pack.infolist()
            )
    else:
        with gzip.open(archive) as stream:
            yield _tar_entries(stream)
            while stream.read(_CHUNK_BYTES):  # to its end, where its checksum stands
                pass


def _tar_entries(stream: gzip.GzipFile) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|") as pack:
        for info in pack:
            kind: Literal["file", "folder", "other"] = "folder" if info.isdir() else "other"
            if info.isreg() and not info.issparse():
                kind = "file"
            yield Member(name=info.name, num_bytes=info.size, kind=kind, open=partial(pack.extractfile, info))


def _kind(info: zipfile.ZipInfo) -> Literal["file", "folder", "other"]:
    if info.is_dir():
        return "folder"
    mode = info.external_attr >> 16
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "other"


def _write(entry: Member, path: Path, how: Unpacking) -> Unpacked:
    if how.keep and path.is_file() and path.stat().st_size == entry.num_bytes:
        how.moved(entry.num_bytes)
        return Unpacked(path, entry.num_bytes, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = entry.open()
    assert content is not None, entry.name
    with replacing(path) as part, content, part.open("wb") as file:
        digest = _copy(content, file=file, entry=entry, how=how)
        if not how.keep:
            file.flush()
            os.fsync(file.fileno())
    return Unpacked(path, entry.num_bytes, digest)


def _copy(content: IO[bytes], *, file: IO[bytes], entry: Member, how: Unpacking) -> str:
    digest, left = hashlib.sha256(), entry.num_bytes
    while chunk := content.read(_CHUNK_BYTES):
        if how.stop.is_set():
            raise StoppedError
        left -= len(chunk)
        if left < 0:
            raise _HostileError(f"{entry.name!r} unpacks to more than the {entry.num_bytes:,} bytes it says")
        file.write(chunk)
        digest.update(chunk)
        how.moved(len(chunk))
    if left:
        raise _HostileError(
            f"{entry.name!r} unpacks to {entry.num_bytes - left:,} of the {entry.num_bytes:,} bytes it says"
        )
    return digest.hexdigest()
