"""Which images a mixture names."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from mix665k.builders.raw import Bad, read
from mix665k.builders.sources.llava_json import LlavaRecord, llava_file
from mix665k.mixtures.inspect.run import require_known, selected
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.integrity import require_sums, whole_rows
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP
from mix665k.mixtures.storage.prompt_kinds import SOURCES, prompt_form, told_source
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.manifest import load_manifest

_SCHEMA = {"image": pl.String, "source": pl.String, "records": pl.UInt32}


class Named(NamedTuple):
    """The sources in their order, and `image`, `source` and `records`: how many of a source name an image."""

    sources: list[str]
    records: pl.DataFrame


def named_images(target: Path, sources: tuple[str, ...], *, advance: Advance) -> Named:
    """The images that a mixture's folder, or a JSON file in LLaVA's own form, names.

    Raises:
        MixtureError: for a mixture that is damaged, and a source that is not there.
        RawDataError: for a file that is not in LLaVA's form.
    """
    return (_in_file if target.is_file() else _in_mixture)(target, sources, advance)


def _in_mixture(folder: Path, sources: tuple[str, ...], advance: Advance) -> Named:
    manifest = load_manifest(folder)
    require_sums(folder, manifest)
    entries = selected(manifest, sources, folder=folder)
    whole = max(sum(entry.conversations for entry in entries), 1)
    frames = []
    for entry in entries:
        for shard in entry.shards:
            for rows in whole_rows(folder, shard):
                frames.append(_counted(pl.DataFrame(rows.select(["image", "source"]))))
                advance(len(rows) / whole)
    return Named([entry.name for entry in entries], _summed(frames))


def _in_file(path: Path, sources: tuple[str, ...], advance: Advance) -> Named:
    size = max(path.stat().st_size, 1)
    records = _shown(path, lambda num_bytes: advance(num_bytes / size))
    frames, told = [], set()
    while batch := list(islice(records, ROWS_PER_GROUP)):
        frame = pl.DataFrame(batch, schema={"image": pl.String, "question": pl.String}, orient="row")
        source = told_source(pl.col("image"), prompt_form(pl.col("question")))
        frame = frame.select("image", source=source.cast(pl.String))
        told |= set(frame["source"])
        frames.append(_counted(frame))
    names = [name for name in SOURCES if name in told]
    require_known(path, sources, names)
    chosen = [name for name in names if not sources or name in sources]
    return Named(chosen, _summed(frames).filter(pl.col("source").is_in(chosen)))


def _shown(path: Path, progress: Callable[[int], None]) -> Iterator[tuple[str | None, str]]:
    """The image and the first question of each record."""
    for _, identifier, found in read(llava_file(path.name), path, progress):
        if isinstance(found, Bad):
            raise RawDataError(f"{path}: {found.where}: {found.why} (id {identifier!r}), expected LLaVA's own form")
        record: LlavaRecord = found
        yield record.image, record.conversations[0].value if record.conversations else ""


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop_nulls("image").group_by("image", "source").agg(records=pl.len()).select(*_SCHEMA)


def _summed(frames: list[pl.DataFrame]) -> pl.DataFrame:
    whole = pl.concat([pl.DataFrame(schema=_SCHEMA), *frames], how="vertical_relaxed")
    return whole.group_by("image", "source").agg(pl.col("records").sum()).sort("image", "source")
