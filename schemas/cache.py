"""Files computed once from a folder and cached: in it, or in the user's cache where it is read-only."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mix665k.schemas.files import held, replacing

T = TypeVar("T")
FOLDER = ".cache"
"""In the folder; hidden, so that `datasets` skips it."""


def user_cache() -> Path:
    """The folder for cached files of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mix665k"


def cached(beside: Path, name: str, *, write: Callable[[Path], None], read: Callable[[Path], T | None]) -> T:
    """What `read` gives for the file `name` that is cached for the folder `beside`.

    `write` makes the file when it is missing or damaged. `name` must identify all that the file is computed from.
    `read` gives None for a damaged file. Processes that ask at once wait for the first of them, and the file appears
    complete or not at all.

    Raises:
        OSError: when the file cannot be written.
    """
    folders = (beside / FOLDER, user_cache())
    for folder in folders:
        if (found := _read(folder / name, read)) is not None:
            return found
    folder = next(folder for folder in folders if _is_writable(folder))
    path = folder / name
    with held(folder / f".{name}.lock", busy=None):
        if (found := _read(path, read)) is None:
            with replacing(path) as part:
                write(part)
            found = read(path)
    assert found is not None, path
    return found


def _read(path: Path, read: Callable[[Path], T | None]) -> T | None:
    return read(path) if path.is_file() else None


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
