"""`fetched.json`: what was fetched into a folder, from where, and what it was; later runs check against it."""

import threading
from pathlib import Path

import msgspec

from mix665k.schemas.errors import NEWER, FetchError
from mix665k.schemas.files import UNREADABLE, fault, regular_file, write_whole

FETCHED = "fetched.json"


class FileEntry(msgspec.Struct):
    """A file as it was written."""

    num_bytes: int
    sha256: str


class Entry(msgspec.Struct):
    """A download: the file as offered, and the raw files or the number of images that it gave."""

    url: str
    num_bytes: int
    sha256: str
    files: dict[str, FileEntry] = {}
    images: int = 0


class _Form(msgspec.Struct):
    downloads: dict[str, Entry] = {}


class FetchedRecord:
    """The downloads of a folder by name; each is on the disk as soon as it is added. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FETCHED
        self._lock = threading.Lock()
        self._form = _load(self._path)

    def get(self, name: str) -> Entry | None:
        """What is known of a download."""
        return self._form.downloads.get(name)

    def add(self, name: str, entry: Entry | None) -> None:
        """Write down a download, or with None forget it."""
        with self._lock:
            self._form.downloads.pop(name, None)
            if entry is not None:
                self._form.downloads[name] = entry
            ordered = _Form(dict(sorted(self._form.downloads.items())))
            write_whole(self._path, msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def _load(path: Path) -> _Form:
    try:
        return msgspec.json.decode(regular_file(path).read_bytes(), type=_Form)
    except FileNotFoundError:
        return _Form()
    except UNREADABLE as error:
        why = fault(error)[1]
        raise FetchError(f"{path}: not what `mix fetch` writes: {why}; remove it, or {NEWER}") from None
