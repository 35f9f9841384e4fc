"""Files computed from a mixture once and kept: beside it, or in the user's cache where it is read-only."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

T = TypeVar("T")
FOLDER = ".cache"
"""Below a mixture; hidden, so that `datasets` passes it over."""


def cached(mixture: Path, name: str, *, write: Callable[[Path], None], read: Callable[[Path], T | None]) -> T:
    """What the file `name` holds, written by `write` unless it is there; whole or not at all, by one process at a time.

    `name` must tell what the file was computed from, as it is not computed again. `read` gives None for a file that was
    damaged since: such a one is written anew.
    """
    places = (mixture / FOLDER, _user_folder())
    for place in places:
        if (found := _read(place / name, read)) is not None:
            return found
    folder = next(place for place in places if _is_writable(place))
    path, part = folder / name, folder / f".{name}.part"
    with FileLock(folder / f".{name}.lock"):
        if (found := _read(path, read)) is None:
            write(part)
            part.replace(path)
            found = read(path)
    assert found is not None, path
    return found


def _read(path: Path, read: Callable[[Path], T | None]) -> T | None:
    return read(path) if path.is_file() else None


def _user_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "mix665k"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
