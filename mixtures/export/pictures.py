"""A mixture's rows with their pictures, for formats that hold both; pictures are copied byte for byte."""

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.terminal import Advance, no_progress
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import os_errors
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.images.folder import Images
from mix665k.schemas.images.places import require_place
from mix665k.schemas.pictures import UNDECODABLE, open_picture

_ROWS = 100
"""At once, with their pictures; `datasets` writes as many."""
_SUFFIXES = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tiff"}
"""What files of a format are called, where it is not the format's name in small letters."""


class Picture(NamedTuple):
    """A picture's bytes as they are in its file, and the suffix of its format, whatever the file is called."""

    content: bytes
    suffix: str


class Chosen(NamedTuple):
    """Which rows of a mixture are written, with which pictures."""

    mixture: Mixture
    sources: tuple[str, ...]
    images: Images | None
    missing: frozenset[str] = frozenset()

    def rows(self, *, advance: Advance) -> Iterator[pa.RecordBatch]:
        """The rows, a hundred at a time, without those whose picture is missing."""
        for batch in self.mixture.batches(sources=self.sources, advance=advance):
            kept = [not self.missing.intersection(names) for names in names_in(batch.rows)]
            rows = batch.rows.filter(pa.array(kept, pa.bool_()))
            yield from (rows.slice(start, _ROWS) for start in range(0, len(rows), _ROWS))

    def picture(self, name: str) -> Picture:
        """The picture of this name.

        Raises:
            MixtureError: for a file that is no picture, or cannot be read.
        """
        assert self.images is not None, name
        return read_picture(self.images, name)


def read_picture(images: Images, name: str) -> Picture:
    """The picture of this name.

    Raises:
        MixtureError: for a file that is no picture, or cannot be read.
    """
    with os_errors(MixtureError, images.shown(name)):
        content = images.read(name)
    try:
        with open_picture(io.BytesIO(content)) as opened:
            form = str(opened.format)
    except UNDECODABLE:
        raise MixtureError(f"{images.shown(name)}: no picture, expected one; `mix images` lists all of them") from None
    return Picture(content, _SUFFIXES.get(form, form.lower()))


def picture_bytes(images: Images, names: Iterable[str]) -> dict[str, int]:
    """The size of each picture; 0 for one that is not there, or whose name is no path below a folder."""
    return {name: 0 if name_fault(name) else images.num_bytes(name) for name in dict.fromkeys(names)}


def missing_line(sizes: Mapping[str, int], *, option: str) -> str | None:
    """What is wrong where pictures have no bytes; None where all are there."""
    missing = [name for name, size in sizes.items() if not size]
    if not missing:
        return None
    return (
        f"{option}: {len(missing):,} of {len(sizes):,} images are missing or empty, the first is {missing[0]!r}; "
        "`mix images` lists all of them"
    )


def choose(
    mixture: Mixture,
    *,
    sources: tuple[str, ...],
    images: Path | None,
    on_missing_image: Literal["fail", "drop"],
) -> Chosen:
    """All rows of these sources, once it is known which pictures are there.

    Raises:
        MixtureError: when the mixture is damaged, `images` is no folder, or pictures are missing and not dropped.
    """
    found = None if images is None else require_place(images, kind=MixtureError)
    names = {
        name
        for batch in mixture.batches(sources=sources, advance=no_progress)
        for own in names_in(batch.rows)
        for name in own
    }
    if names and images is None:
        raise MixtureError(f"{mixture.path}: names {len(names):,} images; pass --images with the folder that has them")
    sizes = picture_bytes(found, sorted(names)) if found is not None else {}
    if on_missing_image == "fail" and (line := missing_line(sizes, option=f"--images {images}")):
        raise MixtureError(f"{line}, --on-missing-image drop leaves their records out")
    missing = frozenset(name for name, size in sizes.items() if not size)
    return Chosen(mixture=mixture, sources=sources, images=found, missing=missing)


def names_in(rows: pa.RecordBatch) -> list[list[str]]:
    """The images of each row, in reading order."""
    return [
        [] if row["image"] is None else [row["image"], *(row.get("more_images") or ())]
        for row in rows.select([name for name in rows.schema.names if name in ("image", "more_images")]).to_pylist()
    ]
