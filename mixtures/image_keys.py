"""Which image a name or an id means, wherever it is from: one key for each image of the sources' collections.

A key reads `coco/310196`, an image of no collection is known by its path (`own/mine/7.jpg`). The sources declare the
collections (`builders.image_collections`), and which images of one another has too: about half of Visual Genome's are
COCO's.
"""

from functools import reduce
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.decode import BadRecord, read
from mix665k.builders.image_collections import ImageCollection, SameImages
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.schemas.errors import RawDataError

_DECLARED = dict.fromkeys(one for source in SOURCES.values() if (one := source.about.image_collection))
COLLECTIONS = {one.name: one for one in sorted(_DECLARED, key=lambda one: not one.stems)}
"""By name; those that recognise an image by its own name come before those that need a folder."""
OWN = ImageCollection(name="own", title="a set's own")
"""What images are of whose ids are only the set's own."""
_SUFFIX = r"(?i)\.(?:jpe?g|png|gif|bmp|webp)$"


def image_key(name: pl.Expr, bare: ImageCollection | None) -> pl.Expr:
    """The key of each image name, path or id; null for none.

    `bare` is whose ids are that tell no collection themselves; without it those are paths of the set's own.
    """
    stem = _stem(name)
    own = bare is None or bare == OWN
    key = pl.format("own/{}", name) if bare is None or own else _key(bare, stem)
    for one in reversed(COLLECTIONS.values()):
        key = pl.when(_is_of(one, name)).then(_key(one, stem)).otherwise(key)
    return key


def _key(collection: ImageCollection, stem: pl.Expr) -> pl.Expr:
    return pl.format(f"{collection.name}/{{}}", stem.str.extract(collection.id))


def _is_of(collection: ImageCollection, name: pl.Expr) -> pl.Expr:
    """Whether a name tells this collection, by a folder of its path or by its form."""
    found = _matches(collection, _stem(name))
    if collection.folders:
        found |= name.str.contains(f"(?:^|/)(?:{'|'.join(collection.folders)})/")
    return found


def _matches(collection: ImageCollection, stem: pl.Expr) -> pl.Expr:
    return stem.str.contains(f"^(?:{'|'.join(collection.stems)})$") if collection.stems else pl.lit(value=False)


def is_bare_number(name: pl.Expr) -> pl.Expr:
    """Whether an image id is a bare number that is of no collection's form: several collections use such."""
    recognised = reduce(
        lambda found, one: found | _matches(one, _stem(name)), COLLECTIONS.values(), pl.lit(value=False)
    )
    return name.str.contains(r"^\d+(?:\.\w+)?$") & ~recognised


def _stem(name: pl.Expr) -> pl.Expr:
    """The last part of a path, without the suffix of an image."""
    return name.str.extract("([^/]*)$").str.replace(_SUFFIX, "")


class SharedImages(NamedTuple):
    """Which images of one collection another has too, as a raw file says."""

    collection: ImageCollection
    declared: SameImages
    file: RawFile


def _shared_images() -> SharedImages:
    """The one declaration: `--image-data` can name a single file."""
    [source] = [source for source in SOURCES.values() if source.about.same_images]
    about, declared = source.about, source.about.same_images
    assert declared is not None, source.name
    assert about.image_collection is not None, source.name
    file = about.file(declared.role)
    return SharedImages(about.image_collection, declared, msgspec.structs.replace(file, form=declared.form))


SHARED_IMAGES = _shared_images()


class Aliases:
    """One key for an image that two collections have; without a table every key is its own."""

    def __init__(self, path: Path | None, *others: Path) -> None:
        self.path = path
        found = [alias for one in (path, *others) if one for alias in _read_aliases(one)]
        self._keys = pl.DataFrame(found, schema={"key": pl.String, "same": pl.String}, orient="row")

    def __call__(self, keys: pl.Series) -> pl.Series:
        """The keys, the other collection's for images that are also there."""
        joined = keys.alias("key").to_frame().join(self._keys, on="key", how="left", maintain_order="left")
        return joined.select(pl.coalesce("same", "key").alias("key")).to_series()


def _read_aliases(path: Path) -> list[tuple[str, str]]:
    collection, declared, file = SHARED_IMAGES
    found = []
    for _, identifier, record in read(file, path, lambda _: None):
        if isinstance(record, BadRecord):
            expected = f"{collection.title}'s {Path(file.path).name}"
            raise RawDataError(f"{path}: {record.where}: {record.why}, expected {expected}")
        other = getattr(record, declared.field)
        if other is not None and other > 0:
            found.append((f"{collection.name}/{identifier}", f"{declared.collection.name}/{other}"))
    return found
