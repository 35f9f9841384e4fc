"""Room on a disk, promised to downloads that run side by side."""

import shutil
import threading
from pathlib import Path

from mix665k.schemas.errors import FetchError


def size_text(num_bytes: int) -> str:
    """A size as people read it."""
    for size, unit in ((1e9, "GB"), (1e6, "MB")):
        if num_bytes >= size:
            return f"{num_bytes / size:,.1f} {unit}"
    return f"{num_bytes / 1e3:,.0f} kB"


class DiskSpace:
    """What each download below a folder still needs, held against what is free."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._promised: dict[str, int] = {}

    def reserve(self, name: str, num_bytes: int) -> None:
        """Promise so many bytes to a download, in place of what it had been promised.

        Raises:
            FetchError: when they are not there.
        """
        with self._lock:
            others = sum(promised for key, promised in self._promised.items() if key != name)
            free = max(shutil.disk_usage(self._folder).free - others, 0)
            if num_bytes > free:
                raise FetchError(
                    f"{self._folder}: {name} needs {size_text(num_bytes)} more, {size_text(free)} are free; "
                    "make room or name another folder"
                )
            self._promised[name] = num_bytes

    def written(self, name: str, num_bytes: int) -> None:
        """So many of the promised bytes are on the disk now."""
        with self._lock:
            self._promised[name] = max(self._promised.get(name, 0) - num_bytes, 0)

    def release(self, name: str) -> None:
        """A download needs no more."""
        with self._lock:
            self._promised.pop(name, None)
