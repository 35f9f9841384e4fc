"""RefCOCO, RefCOCO+ and RefCOCOg split the same images in three ways: what one trains on, another may evaluate on."""

from pathlib import Path

import polars as pl

from mix665k.builders.raw import Bad, read
from mix665k.builders.registry import RawFile
from mix665k.builders.sources.refcoco import ABOUT
from mix665k.mixtures.contamination.findings import Split
from mix665k.mixtures.contamination.overlap import Hits, Wanted
from mix665k.schemas.errors import RawDataError

TRAIN = "train"
SPLITS = {"name": pl.String, "split": pl.String, "key": pl.String}


def read_splits(raw: Path | None) -> pl.DataFrame:
    """`name`, `split` and image `key` of each image of the data sets whose refs lie below the raw folder.

    Raises:
        RawDataError: when a file is damaged.
    """
    rows = []
    for file in ABOUT.files:
        if raw is not None and file.role.endswith("/refs") and (raw / file.path).is_file():
            name = file.role.removesuffix("/refs")
            rows += [(name, split, f"coco/{image}") for split, image in _images(file, raw / file.path)]
    return pl.DataFrame(rows, schema=SPLITS, orient="row").unique(maintain_order=True)


def _images(file: RawFile, path: Path) -> set[tuple[str, int]]:
    found = set()
    for _, identifier, ref in read(file, path, lambda _: None):
        if isinstance(ref, Bad):
            raise RawDataError(f"{path}: {ref.where}: {ref.why} (id {identifier!r}), expected RefCOCO's refs")
        found.add((ref.split, ref.image_id))
    return found


def held_out(splits: pl.DataFrame, what: Wanted, hits: Hits) -> list[Split]:
    """Each split that is evaluated on, beside the training splits of all and the mixture."""
    evaluated = splits.filter(pl.col("split") != TRAIN)
    found = []
    for name, split in sorted(evaluated.select("name", "split").unique().rows()):
        keys = evaluated.filter(name=name, split=split).select("key")
        in_mixture = keys.join(what.images, on="key").join(hits.images, on="image")
        trained = keys.join(splits.filter(split=TRAIN).rename({"name": "by"}).select("by", "key"), on="key")
        counts = dict(trained.group_by("by").len().rows())
        found.append(
            Split(
                name=f"{name} {split}",
                images=keys.height,
                trained={other: counts.get(other, 0) for other in splits["name"].unique(maintain_order=True)},
                in_mixture=in_mixture["image"].n_unique(),
                records=in_mixture["record"].n_unique(),
            )
        )
    return found
