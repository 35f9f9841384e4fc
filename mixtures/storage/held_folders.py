"""Folders in which a repository or an export is put together, each locked by the run that fills it.

The system releases the lock when the process ends, however it ends, so a later run can tell a folder that is in use
from one that a killed run left, and removes the latter. A process id in a file was not used: ids are given again. The
folder itself is locked, not a file in it (`schemas.files.held`): the folder becomes the published one, and must hold
nothing else.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from mix665k.schemas.errors import MixtureError, os_reason

_NAME = "mix-publish-"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a new folder; the system lets go of it when this process ends, however that ends."""
    with _held(folder, fcntl.LOCK_EX):
        (folder / "data").mkdir()  # every repository has it
        yield


def remove_left(folder: Path) -> None:
    """Remove what a killed run left; an empty folder stays, which may be one that a run is just about to hold."""
    with suppress(OSError), _held(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as ours:
        if ours and any(folder.iterdir()):
            shutil.rmtree(folder)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out` to write to, which appears as `out` when the block ends without an error.

    After an error nothing is left; after kill -9 a hidden `.NAME.part` may be, which the next run removes.

    Raises:
        MixtureError: when `out` is there and not empty, another run writes it, or it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MixtureError(f"--out {out}: already there and not empty; name another")
    part = out.with_name(f".{out.name}.part")
    remove_left(part)
    try:
        part.mkdir(parents=True)
    except OSError as error:
        why = "another run writes it, or one was killed; remove it" if part.is_dir() else os_reason(error)
        raise MixtureError(f"--out {out}: {part}: {why}") from None
    try:
        with claimed(part):
            yield part
            with suppress(OSError):  # `claimed` made it
                (part / "data").rmdir()
            if out.exists():
                out.rmdir()
            part.replace(out)
    except OSError as error:
        raise MixtureError(f"--out {out}: {os_reason(error)}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder, gone in the end; those that killed runs left are removed before."""
    for left in Path(gettempdir()).glob(f"{_NAME}*"):
        remove_left(left)
    with TemporaryDirectory(prefix=_NAME) as work, claimed(Path(work)):
        yield Path(work)


@contextmanager
def _held(folder: Path, how: int) -> Iterator[bool]:
    """Whether this process holds the folder; not every network file system knows how to."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(handle, how)
    finally:
        os.close(handle)


def _locked(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except OSError:
        return False
    return True
