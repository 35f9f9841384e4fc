"""Finding an image that is not there under the letters of its name; each folder is listed once."""

import unicodedata
from pathlib import Path, PurePosixPath

from mix665k.mixtures.images.decoding import FORMAT_OF
from mix665k.mixtures.images.findings import Finding
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.images.places import images_at


class SimilarNames:
    """What the images folder or the shards hold, listed where it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._images = images_at(folder)
        self._listings: dict[str, dict[str, list[str]]] = {}

    def similar(self, image: str) -> list[str]:
        """The files whose path differs from an image's in letter case, Unicode form or a picture's extension."""
        if name_fault(image):
            return []
        *folders, last = PurePosixPath(image).parts
        found = [""]
        for name in folders:
            found = [f"{at}{like}/" for at in found for like in self._folders_like(at, name)]
        wanted, picture = _fold(last), _suffix(last) in FORMAT_OF
        return sorted(
            f"{at}{like}"
            for at in found
            for like in self._listing(at).get(_fold(_stem(last)), [])
            if _fold(like) == wanted or (picture and _suffix(like) in FORMAT_OF)
            if self._images.has(f"{at}{like}")
        )

    def lost_folder(self, image: str) -> str | None:
        """The first folder of an image's path that is not there."""
        parents = [str(parent) for parent in PurePosixPath(image).parents][-2::-1]
        return next((parent for parent in parents if not self._images.is_folder(parent)), None)

    def _folders_like(self, at: str, name: str) -> list[str]:
        if self._images.is_folder(at + name):
            return [name]
        like = [other for other in self._listing(at).get(_fold(_stem(name)), []) if _fold(other) == _fold(name)]
        return [other for other in like if self._images.is_folder(at + other)]

    def _listing(self, at: str) -> dict[str, list[str]]:
        """The names in a folder by their stems, in folded letters."""
        if at not in self._listings:
            listing: dict[str, list[str]] = {}
            for name in self._images.names_in(at):
                listing.setdefault(_fold(_stem(name)), []).append(name)
            self._listings[at] = listing
        return self._listings[at]


def difference(image: str, file: str) -> Finding:
    """What tells a similar file from the image."""
    return "wrong case" if PurePosixPath(image).suffix == PurePosixPath(file).suffix else "wrong extension"


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
