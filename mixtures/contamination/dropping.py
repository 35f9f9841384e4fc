"""Writing a mixture without the records that overlap with evaluation sets.

A contaminated record is dropped completely. Its other questions are about the same image, the prompt and the image
token are in the first question, and a dialogue with a gap reads wrongly. Cutting single questions was not done for that
reason. By default a shared question about a shared image (`pairs`) is what makes a record go: an image alone gives no
answer away, and sets on COCO share most of their images with the mixture. What remains is every record as it was built.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from mix665k.mixtures.contamination.findings import Dropped, Kind
from mix665k.mixtures.contamination.summary import Touched
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.derived import Leaving, write_derived
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.manifest import CONTAMINATION, Manifest

_HOW = {Kind.IMAGES: "image", Kind.PAIRS: "pair", Kind.TEXT: "text", Kind.CONTENT: "content"}


class Drop(NamedTuple):
    """What to drop and where to write the rest; `about` is what the manifest tells of it."""

    out: Path
    by: tuple[Kind, ...]
    about: dict[str, Any]


def reasons(found: Sequence[Touched], by: Sequence[Kind]) -> pl.DataFrame:
    """`record` and `reason` of each record to drop: the first set that it overlaps with, and how."""
    frames = [
        pl.DataFrame({"record": one.records(kind)}).with_columns(reason=pl.lit(f"in {one.set.name} by {_HOW[kind]}"))
        for one in found
        for kind in by
    ]
    return pl.concat(frames).unique("record", keep="first", maintain_order=True).sort("record")


def write_clean(mixture: Mixture, why: pl.DataFrame, drop: Drop, *, advance: Advance) -> Dropped:
    """Write the mixture without these records; the manifest comes last.

    Raises:
        MixtureError: when the mixture is damaged, the folder cannot be written, or another run is writing there.
    """
    manifest = mixture.require_manifest()
    leaving = Leaving(why, CONTAMINATION, "lost")
    clean = write_derived(mixture, leaving, drop.out, about=_about(manifest, drop), advance=advance)
    return Dropped(
        path=str(drop.out),
        row_hash=clean.row_hash,
        by=list(drop.by),
        records=manifest.conversations - clean.conversations,
        pairs=manifest.pairs - clean.pairs,
        reasons=dict(why.group_by("reason", maintain_order=True).len().sort("len", "reason", descending=True).rows()),
    )


def _about(manifest: Manifest, drop: Drop) -> Manifest:
    """The manifest with what was dropped by among its overrides."""
    done = [
        *manifest.overrides.get(CONTAMINATION, []),
        {"made_from": manifest.row_hash, "drop_by": list(drop.by), **drop.about},
    ]
    return msgspec.structs.replace(manifest, overrides={**manifest.overrides, CONTAMINATION: done})
