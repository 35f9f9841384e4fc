"""Records as a few short columns: enough to find each of them again, without keeping a text."""

import hashlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import joined_images, offsets_of
from mix665k.mixtures.storage.prompt_kinds import told_sources
from mix665k.mixtures.terminal import Advance

Columns = dict[str, pl.Series]


def text_digests(rows: pa.RecordBatch) -> list[bytes]:
    """Sixteen bytes for the texts of each row's turns: equal texts in equal turns give equal bytes, anywhere.

    The text of a system turn is one of them.
    """
    turns, systems = rows.column("conversations"), rows.column("system").to_pylist()
    _, texts = turns.values.flatten()
    bounds, ends = offsets_of(turns), offsets_of(texts)
    lengths = np.diff(ends).astype("<i8").tobytes()
    data = memoryview(texts.buffers()[2] or b"")
    found = []
    for system, (first, last) in zip(systems, pairwise(bounds.tolist()), strict=True):
        digest = hashlib.blake2b(lengths[8 * first : 8 * last], digest_size=16)
        digest.update(data[ends[first] : ends[last]])
        if system is not None:
            digest.update(b"\0" + system.encode())
        found.append(digest.digest())
    return found


def record_hashes(rows: pa.RecordBatch) -> list[str]:
    """Sixteen hexadecimal digits for each row: of its texts, its images and the id that LLaVA's own form has.

    It is what `mix export --format hashes` writes, so it stays the same from version to version. Two of a million
    records have one hash with a chance of one in 37 million.
    """
    columns = (joined_images(rows).to_pylist(), rows.column("reference_id").to_pylist())
    named = zip(text_digests(rows), *columns, strict=True)
    return [
        hashlib.blake2b(b"\0".join((text, (images or "").encode(), name.encode())), digest_size=8).hexdigest()
        for text, images, name in named
    ]


def records_of(mixture: Mixture, *, told: bool = False, hashes: bool = False, advance: Advance) -> pl.DataFrame:
    """A row for each record of a mixture or of a file in LLaVA's own form, in order.

    row           its place: in the whole mixture, or in the file's list
    id, source    as the mixture has them; of a file they say nothing
    reference_id  the id that LLaVA's own form gives it, as text
    image         empty for none; of several the paths, a line each
    text          64 bits of its texts
    told          with `told`: the source that image folder and prompt tell
    hash          with `hashes`: of `record_hashes`

    Raises:
        MixtureError: when the mixture is damaged, or records of a file have faults.
    """
    parts = [pl.DataFrame(columns) for columns in _columns(mixture, told=told, hashes=hashes, advance=advance)]
    return pl.concat(parts, rechunk=True).with_columns(pl.col("source").cast(pl.Categorical))


def _columns(mixture: Mixture, *, told: bool, hashes: bool, advance: Advance) -> Iterator[Columns]:
    yield _empty(told=told, hashes=hashes)
    for batch in mixture.batches(advance=advance, checked=mixture.manifest is None):
        rows = batch.rows
        texts = np.frombuffer(b"".join(text_digests(rows)), "<u8")[::2]
        found: Columns = {"row": pl.Series(list(batch.places), dtype=pl.Int64)}
        found |= {name: pl.Series(rows.column(name), dtype=pl.String) for name in ("id", "source", "reference_id")}
        found["image"] = pl.Series(joined_images(rows), dtype=pl.String).fill_null("")
        found["text"] = pl.Series(texts, dtype=pl.UInt64)
        found |= {"told": told_sources(rows)} if told else {}
        found |= {"hash": pl.Series(record_hashes(rows), dtype=pl.String)} if hashes else {}
        yield found


def _empty(*, told: bool, hashes: bool) -> Columns:
    columns: Columns = {"row": pl.Series(dtype=pl.Int64)}
    columns |= {name: pl.Series(dtype=pl.String) for name in ("id", "source", "reference_id", "image")}
    columns["text"] = pl.Series(dtype=pl.UInt64)
    return columns | {name: pl.Series(dtype=pl.String) for name, on in (("told", told), ("hash", hashes)) if on}
