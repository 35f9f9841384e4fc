"""Pictures as files below a folder, and what every place that has pictures gives."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from mix665k.schemas.files import regular_file


class Images(Protocol):
    """Pictures by the names that records have for them. No name is asked for in which `name_fault` finds a fault."""

    def read(self, name: str) -> bytes:
        """A picture's bytes.

        Raises:
            OSError: when it is not there or cannot be read.
        """
        ...

    def num_bytes(self, name: str) -> int:
        """How many bytes it has, 0 when there is no such picture.

        Raises:
            OSError: when that cannot be found out.
        """
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a picture.

        Raises:
            OSError: when that cannot be found out.
        """
        ...

    def stamp(self, name: str) -> str:
        """What changes when the picture does, without reading it; empty for one that is not there."""
        ...

    def shown(self, name: str) -> str:
        """Where it is, or would be, for a message."""
        ...

    def names_in(self, folder: str) -> list[str]:
        """What a folder of the names holds, its pictures and folders; nothing where there is no such folder."""
        ...

    def is_folder(self, name: str) -> bool:
        """Whether it is a folder of the names."""
        ...


class ImagesFolder(Images):
    """The files below a folder. Links are followed, as people lay their data out so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes:
        """See `Images`."""
        return regular_file(self.folder / name).read_bytes()

    def num_bytes(self, name: str) -> int:
        """See `Images`."""
        path = self.folder / name
        return path.stat().st_size if path.is_file() else 0

    def has(self, name: str) -> bool:
        """See `Images`."""
        return (self.folder / name).is_file()

    def stamp(self, name: str) -> str:
        """See `Images`."""
        try:
            known = (self.folder / name).stat()
        except OSError:
            return ""
        return f"{known.st_size} {known.st_mtime_ns}"

    def shown(self, name: str) -> str:
        """See `Images`."""
        return str(self.folder / name)

    def names_in(self, folder: str) -> list[str]:
        """See `Images`."""
        try:
            return os.listdir(self.folder / folder)  # noqa: PTH208, names are all that is needed
        except OSError:
            return []

    def is_folder(self, name: str) -> bool:
        """See `Images`."""
        return os.path.isdir(self.folder / name)  # noqa: PTH112, a Path complains of long names


class ImagesBelow(Images):
    """The pictures whose names begin with a folder, by the rest of their names."""

    def __init__(self, images: Images, folder: str) -> None:
        self._images = images
        self._folder = folder

    def read(self, name: str) -> bytes:
        """See `Images`."""
        return self._images.read(self._at(name))

    def num_bytes(self, name: str) -> int:
        """See `Images`."""
        return self._images.num_bytes(self._at(name))

    def has(self, name: str) -> bool:
        """See `Images`."""
        return self._images.has(self._at(name))

    def stamp(self, name: str) -> str:
        """See `Images`."""
        return self._images.stamp(self._at(name))

    def shown(self, name: str) -> str:
        """See `Images`."""
        return self._images.shown(self._at(name))

    def names_in(self, folder: str) -> list[str]:
        """See `Images`."""
        return self._images.names_in(self._at(folder))

    def is_folder(self, name: str) -> bool:
        """See `Images`."""
        return self._images.is_folder(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"


def folders_of(names: Iterable[str]) -> dict[str, list[str]]:
    """What each folder of these names holds."""
    found: dict[str, dict[str, None]] = {"": {}}
    for name in names:
        parts = name.split("/")
        for i, part in enumerate(parts):
            found.setdefault("/".join(parts[:i]), {})[part] = None
    return {folder: list(inside) for folder, inside in found.items()}
