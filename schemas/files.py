"""Files as every part of the project reads and writes them: complete or absent, and one line for what goes wrong."""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import msgspec
from filelock import FileLock, Timeout

from mix665k.schemas.errors import BusyError, UserError, os_reason

T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError)
"""What msgspec raises for bytes that are not JSON, or not of the expected form; deep nesting is a RecursionError."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    A reader sees the old file or the new one, never a part. After an error nothing is left behind; after kill -9 a
    hidden `.NAME.part` may be, which the next writer overwrites.

    Raises:
        BusyError: when another process, or another thread of this one, is writing `path`.
        OSError: with `path` as its file name where the system gives none, as for a full disk; for a pipe or device.
    """
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        regular_file(path)  # who may write into /dev would put a file in the place of a device
    try:
        with _only_writer(part, path):
            try:
                yield part
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.filename in (None, str(part)):
            error.filename = str(path)
        raise


@contextmanager
def _only_writer(part: Path, path: Path) -> Iterator[None]:
    """Create `part` and hold a lock on it; the system releases it when the process ends, however that happens."""
    # Without it two commands wrote into one part: whichever finished first renamed the file that the other still wrote.
    # A part with a name of its own for each process would be left behind after kill -9.
    while True:
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _locked(handle):
                raise BusyError(f"{path}: another command is writing this file; wait for it, or name another")
            current = False
            with suppress(FileNotFoundError):  # between open and lock its last writer may have renamed or removed it
                current = os.path.samestat(os.fstat(handle), part.stat())
            if current:
                yield
                return
        finally:
            os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)  # not every network file system has locks
    return True


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write bytes to that appears as `path` when the block ends without an error; see `replacing`."""
    with replacing(path) as part, part.open("wb") as file:
        yield file


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a small file, text as UTF-8, completely or not at all; see `replacing`."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def regular_file(path: Path) -> Path:
    """The path of a file that can be opened without waiting, and read to its end, twice if need be.

    A named pipe without a writer would hang for ever; /dev/stdin and a shell's `<(…)` are pipes as well.

    Raises:
        OSError: when it is a pipe, a device or a socket, or not there.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # of a folder the system speaks for itself
        raise OSError(errno.EINVAL, "a pipe or device, expected a regular file", str(path))
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits.

    Raises:
        OSError: when it cannot be read.
    """
    with regular_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def held(lock: Path, *, busy: UserError | None) -> Iterator[None]:
    """Hold a lock file for the block; the system releases it when the process ends, however that happens.

    Where another process holds it, `busy` is raised at once; without it, the block waits for that process.

    Raises:
        UserError: `busy`.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = FileLock(lock, timeout=-1 if busy is None else 0)
    try:
        holder.acquire()
    except Timeout:
        assert busy is not None
        raise busy from None
    try:
        yield
    finally:
        holder.release()


@contextmanager
def os_errors(kind: type[UserError], where: object) -> Iterator[None]:
    """Turn an operating-system error into one line of `kind`: the file that it names, else `where`, and the reason."""
    try:
        yield
    except OSError as error:
        raise kind(f"{error.filename or where}: {os_reason(error)}") from None


def decode_json(content: bytes, form: type[T], *, kind: type[UserError], where: object, fix: str) -> T:
    """JSON as a value of `form`.

    Raises:
        UserError: of `kind`, with `where`, the JSON path and the reason, and `fix`: what to do about it.
    """
    try:
        return msgspec.json.decode(content, type=form)
    except UNREADABLE as error:
        at, why = fault(error)
        raise kind(f"{where}: {f'{at}: ' if at else ''}{why}; {fix}") from None


def fault(error: Exception) -> tuple[str, str]:
    """The JSON path, empty where msgspec names none, and the reason of an error that decoding raised."""
    if isinstance(error, RecursionError):
        return "", "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "", f"holds byte 0x{error.object[error.start]:02x}, which is not UTF-8; re-save the file as UTF-8"
    why, _, at = str(error).replace("`", "").partition(" - at ")
    return at, why if why[:2].isupper() else f"{why[:1].lower()}{why[1:]}"
