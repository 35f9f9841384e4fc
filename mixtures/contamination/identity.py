"""Which image a name or an id means, wherever it is from: one key for each image of COCO, VG, OpenImages and OCR-VQA.

COCO's ids are unique over train, val and test of 2014, 2015 and 2017, and shared by VQAv2, OK-VQA, A-OKVQA, RefCOCO,
POPE and LLaVA-Instruct; GQA's are Visual Genome's; TextVQA and TextCaps have OpenImages'. About half of Visual Genome's
images are COCO's too: `image_data.json` says which (visualgenome.org, `coco_id`). A key reads `coco/310196`; an image
of no such collection is known by its path (`own/mine/7.jpg`).
"""

from pathlib import Path
from typing import Literal, get_args

import msgspec
import polars as pl

from mix665k.builders.raw import Bad, read
from mix665k.builders.registry import RawFile
from mix665k.schemas.errors import RawDataError

Collection = Literal["coco", "vg", "openimages", "ocrvqa", "own"]
COLLECTIONS: tuple[Collection, ...] = get_args(Collection)
_COCO_FILE = r"^COCO_(?:train|val|test)\d{4}_0*(\d+)$"
_SUFFIX = r"(?i)\.(?:jpe?g|png|gif|bmp|webp)$"


class _ImageData(msgspec.Struct, gc=False):
    image_id: int
    coco_id: int | None = None


def image_key(name: pl.Expr, bare: Collection | None) -> pl.Expr:
    """The key of each image name, path or id; null for none.

    `bare` is whose ids are that tell no collection themselves; without it those are paths of the set's own.
    """
    stem = _stem(name)
    number = pl.coalesce(
        stem.str.extract(_COCO_FILE), pl.when(stem.str.contains(r"^\d{12}$")).then(stem.str.extract(r"^0*(\d+)$"))
    )
    vg = name.str.contains(r"(?:^|/)(?:gqa|vg|VG_100K|VG_100K_2)/") | stem.str.contains(r"^n\d+$")
    openimages = name.str.contains(r"(?:^|/)textvqa/") | stem.str.contains("^[0-9a-f]{16}$")
    if bare is None or bare == "own":
        other = pl.format("own/{}", name)
    else:
        other = pl.format(f"{bare}/{{}}", stem.str.extract(r"^0*(\d+)$") if bare == "coco" else stem)
    return (
        pl.when(number.is_not_null())
        .then(pl.format("coco/{}", number))
        .when(vg)
        .then(pl.format("vg/{}", stem))
        .when(openimages)
        .then(pl.format("openimages/{}", stem))
        .when(name.str.contains(r"(?:^|/)ocr_vqa/"))
        .then(pl.format("ocrvqa/{}", stem))
        .otherwise(other)
    )


def tells_nothing(name: pl.Expr) -> pl.Expr:
    """Whether an image id is a bare number: COCO, Visual Genome and OCR-VQA all use such."""
    return name.str.contains(r"^\d+(?:\.\w+)?$") & ~_stem(name).str.contains(r"^(?:\d{12}|\d{16})$")


def _stem(name: pl.Expr) -> pl.Expr:
    """The last part of a path, without the suffix of an image."""
    return name.str.extract("([^/]*)$").str.replace(_SUFFIX, "")


class CocoOfVg:
    """Which of Visual Genome's images are COCO's; without a table every image is its own."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        found = _coco_of_vg(path) if path else []
        self._keys = pl.DataFrame(found, schema={"key": pl.String, "coco": pl.String}, orient="row")

    def __call__(self, keys: pl.Series) -> pl.Series:
        """The keys, COCO's for images that Visual Genome took from there."""
        joined = keys.alias("key").to_frame().join(self._keys, on="key", how="left", maintain_order="left")
        return joined.select(pl.coalesce("coco", "key").alias("key")).to_series()


def _coco_of_vg(path: Path) -> list[tuple[str, str]]:
    file = RawFile(role="images", path=path.name, form=_ImageData, id="image_id")
    found = []
    for _, identifier, image in read(file, path, lambda _: None):
        if isinstance(image, Bad):
            raise RawDataError(f"{path}: {image.where}: {image.why}, expected Visual Genome's image_data.json")
        if image.coco_id is not None and image.coco_id > 0:  # some are -1
            found.append((f"vg/{identifier}", f"coco/{image.coco_id}"))
    return found
