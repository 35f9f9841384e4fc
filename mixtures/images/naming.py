"""Which images a mixture names."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import images_of
from mix665k.mixtures.storage.prompt_kinds import SOURCES
from mix665k.mixtures.terminal import Advance

_SCHEMA = {"image": pl.String, "source": pl.String, "records": pl.UInt32}


class Named(NamedTuple):
    """The sources in their order, and `image`, `source` and `records`: how many of a source name an image."""

    sources: list[str]
    records: pl.DataFrame


def named_images(target: Path, sources: tuple[str, ...], *, advance: Advance) -> Named:
    """The images that a mixture, a folder or a JSON file in LLaVA's own form, names.

    Raises:
        MixtureError: for a mixture that is damaged, a source that is not there, and records not in LLaVA's form.
        RawDataError: for a file that is no JSON list.
    """
    mixture = Mixture.open(target)
    frames, occurring_names = [], set()
    for batch in mixture.batches(sources=sources, advance=advance):
        frame = pl.DataFrame({"image": pl.Series(images_of(batch.rows), dtype=pl.List(pl.String))})
        occurring_names |= set(batch.sources.unique())
        frames.append(_counted(frame.with_columns(source=batch.sources).explode("image")))
    names = mixture.sources if mixture.manifest else SOURCES
    occurring = [name for name in names if name in (sources or names) and (mixture.manifest or name in occurring_names)]
    return Named(occurring, _summed(frames))


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop_nulls("image").group_by("image", "source").agg(records=pl.len()).select(*_SCHEMA)


def _summed(frames: list[pl.DataFrame]) -> pl.DataFrame:
    whole = pl.concat([pl.DataFrame(schema=_SCHEMA), *frames], how="vertical_relaxed")
    return whole.group_by("image", "source").agg(pl.col("records").sum()).sort("image", "source")
