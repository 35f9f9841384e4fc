"""Data sets that split the same images in different ways: what one trains on, another may evaluate on."""

from pathlib import Path

import polars as pl

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.decode import BadRecord, read
from mix665k.builders.parts import published_parts
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.mixtures.contamination.findings import Split
from mix665k.mixtures.contamination.overlap import Hits, Wanted
from mix665k.schemas.errors import RawDataError

SPLITS = {"title": pl.String, "name": pl.String, "split": pl.String, "key": pl.String, "trained": pl.Boolean}
DECLARED = [
    (splits, collection, source.about)
    for source in SOURCES.values()
    if (splits := source.about.image_splits) and (collection := source.about.image_collection)
]
"""Such data sets as the sources declare them, with the collection of their images."""


def read_splits(raw: Path | None) -> pl.DataFrame:
    """`title`, `name`, `split`, image `key` and whether one trains on it, of each image of each data set.

    Only of those whose files are below the raw folder.

    Raises:
        RawDataError: when a file is damaged.
    """
    rows: list[tuple[str, str, str, str, bool]] = []
    for splits, collection, about in DECLARED:
        for name, role in splits.roles.items():
            file = about.file(role)
            for path in published_parts(raw, file.path) if raw is not None else ():
                if not path.is_file():
                    continue
                images = _images(file, path, expected=f"the splits of {splits.title}")
                rows += [
                    (splits.title, name, split, f"{collection.name}/{image}", split == splits.training)
                    for split, image in images
                ]
    return pl.DataFrame(rows, schema=SPLITS, orient="row").unique(maintain_order=True)


def _images(file: RawFile, path: Path, *, expected: str) -> set[tuple[str, int]]:
    found = set()
    for _, identifier, ref in read(file, path, lambda _: None):
        if isinstance(ref, BadRecord):
            raise RawDataError(f"{path}: {ref.where}: {ref.why} (id {identifier!r}), expected {expected}")
        found.add((ref.split, ref.image_id))
    return found


def held_out(splits: pl.DataFrame, what: Wanted, hits: Hits) -> list[Split]:
    """Each split that is evaluated on, beside the mixture and the training splits of the data sets declared with it."""
    found = []
    evaluated = splits.filter(~pl.col("trained")).select("title", "name", "split").unique()
    for title, name, split in sorted(evaluated.rows()):
        alike = splits.filter(title=title)
        keys = alike.filter(name=name, split=split).select("key")
        in_mixture = keys.join(what.images, on="key").join(hits.images, on="image")
        training = alike.filter("trained").select("key", by="name")
        counts = dict(keys.join(training, on="key").group_by("by").len().rows())
        found.append(
            Split(
                title=title,
                name=f"{name} {split}",
                images=keys.height,
                trained={other: counts.get(other, 0) for other in alike["name"].unique(maintain_order=True)},
                in_mixture=in_mixture["image"].n_unique(),
                records=in_mixture["record"].n_unique(),
            )
        )
    return found
