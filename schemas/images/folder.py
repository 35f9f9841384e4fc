"""Pictures as files below a folder, and what every place that has pictures gives."""

import os
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
