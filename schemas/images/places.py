"""What `--images` names: a folder of files, or shards, Parquet or tar files with the pictures in them."""

import os
from functools import lru_cache
from pathlib import Path

from mix665k.schemas.errors import UserError
from mix665k.schemas.images.folder import Images, ImagesBelow, ImagesFolder
from mix665k.schemas.images.shards import SUFFIXES, ImageShards, LocalFiles, Shard
from mix665k.schemas.manifest import MANIFEST

PUBLISHED = "images"
"""The folder of a published mixture that has the records with their pictures."""
_BESIDE = (".idx", ".json", ".jsonl", ".md", ".txt", ".yaml", ".yml", ".csv")
"""What lies beside shards to describe them."""


def images_at(place: Path) -> Images:
    """The pictures at a place, a folder or a shard; the index of shards is made where it is missing.

    A folder is one of shards if it holds Parquet or tar files, texts that describe them, and nothing else; a published
    mixture is one by its `images`. In any other folder an archive is a file that nobody names. A path below shards is a
    folder of their names.

    Raises:
        ImageFileError: when a shard is damaged.
    """
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
    if not place.is_dir() and not (place.is_file() and place.suffix in SUFFIXES):
        raise kind(f"{option} {place}: no such folder{', expected one, or a .parquet or .tar' * place.is_file()}")
    return images_at(place)


def shards_in(place: Path) -> list[Path]:
    """The shards that a place is; none for a folder of files."""
    if place.suffix in SUFFIXES and place.is_file():
        return [place]
    if (place / MANIFEST).is_file():
        place /= PUBLISHED
    found = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1]  # noqa: PTH122, a third of the time of a Path
                if entry.name.startswith(".") or suffix in _BESIDE:
                    continue
                if suffix not in SUFFIXES or not entry.is_file():
                    return []
                found.append(Path(entry.path))
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return []
    return sorted(found)


@lru_cache(maxsize=4)
def _shards(place: str, shards: tuple[Shard, ...], beside: Path) -> ImageShards:
    """One index in a process for each state of the shards: they are looked at whenever a place is opened."""
    return ImageShards(place, LocalFiles([Path(shard.path) for shard in shards]), beside=beside)
