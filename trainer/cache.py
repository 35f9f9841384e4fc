"""Files computed from a mixture once and kept: beside it, or in the user's cache where it is read-only."""

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

FOLDER = ".cache"
"""Below a mixture; hidden, so that `datasets` passes it over."""


def cached(mixture: Path, name: str, *, write: Callable[[Path], None]) -> Path:
    """The file `name`, written by `write` unless it is there; written whole or not at all, by one process at a time.

    `name` must tell what the file was computed from, as it is not computed again.
    """
    places = (mixture / FOLDER, _user_folder())
    for place in places:
        if (place / name).is_file():
            return place / name
    folder = next(place for place in places if _is_writable(place))
    path, part = folder / name, folder / f".{name}.part"
    with FileLock(folder / f".{name}.lock"):
        if not path.is_file():
            write(part)
            part.replace(path)
    return path


def _user_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "mix665k"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
