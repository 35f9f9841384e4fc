"""What `--images` names: a folder of files, or shards, Parquet or tar files with the pictures in them."""

import os
from functools import lru_cache
from pathlib import Path

from mix665k.schemas.addresses import address_of
from mix665k.schemas.errors import UserError
from mix665k.schemas.images.folder import Images, ImagesBelow, ImagesFolder
from mix665k.schemas.images.remote import RemoteImages, images_at_address
from mix665k.schemas.images.shards import PUBLISHED, SUFFIXES, ImageShards, LocalFiles, Shard, are_shards
from mix665k.schemas.manifest import MANIFEST
from mix665k.schemas.remote import as_kind


def images_at(place: Path) -> Images:
    """The pictures at a place, a folder or a shard; the index of shards is made where it is missing.

    A folder is one of shards if it holds Parquet or tar files, texts that describe them, and nothing else; a published
    mixture is one by its `images`. In any other folder an archive is a file that nobody names. A path below shards is a
    folder of their names.

    Raises:
        ImageFileError: when a shard is damaged.
    """
    if address := address_of(place):
        return images_at_address(address)
    paths = shards_in(place)
    if not paths:
        above = next((one for one in place.parents if one.exists()), place) if not place.exists() else place
        if above != place and shards_in(above):
            return ImagesBelow(images_at(above), place.relative_to(above).as_posix())
        return ImagesFolder(place)
    files = LocalFiles(paths)
    return _shards(str(place), tuple(files.shards), place if place.is_dir() else place.parent)


def require_place(place: Path, *, kind: type[UserError], option: str = "--images") -> Images:
    """The pictures at a place that an option names.

    Raises:
        UserError: of `kind`, when there is no such place.
        ImageFileError: when a shard is damaged.
    """
    if address := address_of(place):
        with as_kind(kind, option):
            found = images_at_address(address)
        if isinstance(found, RemoteImages) and not len(found):
            raise kind(f"{option} {address}: nothing is there, expected pictures, or .parquet or .tar files of them")
        return found
    if not place.is_dir() and not (place.is_file() and place.suffix in SUFFIXES):
        raise kind(f"{option} {place}: no such folder{', expected one, or a .parquet or .tar' * place.is_file()}")
    return images_at(place)


def shards_in(place: Path) -> list[Path]:
    """The shards that a place is; none for a folder of files."""
    if place.suffix in SUFFIXES and place.is_file():
        return [place]
    if (place / MANIFEST).is_file():
        place /= PUBLISHED
    try:
        with os.scandir(place) as entries:
            if not are_shards((entry.name, entry.is_file()) for entry in entries):
                return []
        return sorted(path for path in place.iterdir() if path.suffix in SUFFIXES and path.name[0] != ".")
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return []


@lru_cache(maxsize=4)
def _shards(place: str, shards: tuple[Shard, ...], beside: Path) -> ImageShards:
    """One index in a process for each state of the shards: they are looked at whenever a place is opened."""
    return ImageShards(place, LocalFiles([Path(shard.path) for shard in shards]), beside=beside)
