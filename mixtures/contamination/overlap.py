"""Looking through a mixture for the images and questions of evaluation sets, batch by batch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from mix665k.mixtures.contamination.evaluation import EvaluationSet
from mix665k.mixtures.contamination.questions import asked
from mix665k.mixtures.image_keys import Aliases, image_key
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import SCHEMA, from_dicts, images_of
from mix665k.mixtures.terminal import Advance

_RECORD, _CODE = pl.UInt32, pl.UInt32


class Wanted(NamedTuple):
    """What is looked for; images, texts and paths are numbered, so that hits are numbers.

    images      `key`, `image`
    texts       `words`, `text`
    paths       `path`, `content`: images of the mixture whose content is that of an evaluation image
    questions   `set` (its place), `id`, `image`, `text`: what each set asks, in these numbers
    """

    images: pl.DataFrame
    texts: pl.DataFrame
    paths: pl.DataFrame
    questions: pl.DataFrame


class Hits(NamedTuple):
    """What was found; `record` and `pair` are places in the mixture, `image`, `text` and `content` those of `Wanted`.

    records     `record`, `source`, `id` of each record below
    images      `record`, `image`
    texts       `record`, `pair`, `image` (null: another one, or none), `text`
    contents    `record`, `content`
    """

    records: pl.DataFrame
    images: pl.DataFrame
    texts: pl.DataFrame
    contents: pl.DataFrame
    num_records: int


def wanted(sets: Sequence[EvaluationSet], aliases: Aliases, *, keys: pl.Series, paths: pl.Series) -> Wanted:
    """What these sets ask, with more image keys and image paths to look for."""
    frames = [one.questions.with_columns(set=pl.lit(place, _CODE)) for place, one in enumerate(sets)]
    empty = pl.DataFrame(schema={"id": pl.String, "image": pl.String, "text": pl.String, "set": _CODE})
    asking = pl.concat([empty, *frames]).rename({"image": "key", "text": "words"})
    asking = asking.with_columns(aliases(asking["key"]).alias("key"))
    images = _numbered(pl.concat([asking["key"], aliases(keys)]), "key", "image")
    texts = _numbered(asking["words"], "words", "text")
    questions = asking.join(images, on="key", how="left", maintain_order="left")
    questions = questions.join(texts, on="words", how="left", maintain_order="left")
    return Wanted(
        images=images,
        texts=texts,
        paths=_numbered(paths, "path", "content"),
        questions=questions.select("set", "id", "image", "text"),
    )


def _numbered(values: pl.Series, name: str, number: str) -> pl.DataFrame:
    distinct = values.alias(name).drop_nulls().unique(maintain_order=True)
    return distinct.to_frame().with_row_index(number).with_columns(pl.col(number).cast(_CODE))


def find(batches: Iterator[pa.RecordBatch], *, what: Wanted, aliases: Aliases, prompts: Sequence[str]) -> Hits:
    """Everything wanted that these records hold; `prompts` are lines that are no part of a question."""
    parts: list[Hits] = []
    num_records = num_pairs = 0
    for batch in batches:
        hits, pairs = _find(batch, what=what, aliases=aliases, prompts=prompts, first=num_records, first_pair=num_pairs)
        parts.append(hits)
        num_records, num_pairs = num_records + len(batch), num_pairs + pairs
    empty = _find(from_dicts([]), what=what, aliases=aliases, prompts=prompts, first=0, first_pair=0)[0]
    records, images, texts, contents, _ = zip(*[empty, *parts], strict=True)
    return Hits(
        records=pl.concat(records),
        images=pl.concat(images),
        texts=pl.concat(texts),
        contents=pl.concat(contents),
        num_records=num_records,
    )


def _find(
    batch: pa.RecordBatch, *, what: Wanted, aliases: Aliases, prompts: Sequence[str], first: int, first_pair: int
) -> tuple[Hits, int]:
    """The hits of a batch, and the number of its pairs."""
    rows = pl.DataFrame(batch.select(["id", "source"])).with_columns(
        pl.Series("record", np.arange(first, first + len(batch)), _RECORD),
        pl.Series("path", images_of(batch), dtype=pl.List(pl.String)),
    )
    shown = pl.when(pl.col("path").list.len() > 0).then("path")  # releases of polars differ in what an empty list gives
    rows = rows.with_columns(shown.alias("path")).explode("path")  # a row for each image of a record
    rows = rows.with_columns(image_key(pl.col("path"), None).alias("key"))
    rows = rows.with_columns(aliases(rows["key"])).join(what.images, on="key", how="left")
    conversations = batch.column("conversations")
    lengths = np.diff(np.asarray(conversations.offsets)) // 2
    turns = pl.Series("turn", conversations.flatten().field("value"), pl.String)
    pairs = pl.DataFrame(
        {
            "record": np.repeat(np.arange(first, first + len(batch), dtype=np.uint32), lengths),
            "pair": np.arange(first_pair, first_pair + int(lengths.sum()), dtype=np.uint32),
            "words": asked(turns.gather_every(2), turns.gather_every(2, 1), prompts),
        }
    )
    images = rows.filter(pl.col("image").is_not_null()).select("record", "image")
    texts = pairs.join(what.texts, on="words").join(images, on="record", how="left")
    contents = rows.join(what.paths, on="path").select("record", "content")
    hit = pl.concat([texts["record"], images["record"], contents["record"]]).unique()
    records = rows.filter(pl.col("record").is_in(hit.implode())).select("record", "source", "id")
    return Hits(
        records=records.unique(maintain_order=True),
        images=images,
        texts=texts.select("record", "pair", "image", "text"),
        contents=contents,
        num_records=len(batch),
    ), pairs.height


def rows_of(mixture: Mixture, *, advance: Advance) -> Iterator[pa.RecordBatch]:
    """The rows of a mixture, each shard checked against the manifest; of a JSON file under the sources that are told.

    Raises:
        MixtureError: when it is damaged; for a JSON file at the end, when records have faults.
        RawDataError: when a file is no JSON list.
    """
    for batch in mixture.batches(advance=advance, checked=mixture.manifest is None):
        rows = batch.rows
        if batch.entry is None:
            ids = [f"$[{place}] {one}" for place, one in zip(batch.places, rows.column("reference_id"), strict=True)]
            rows = rows.set_column(0, SCHEMA.field("id"), pa.array(ids, pa.string()))
            rows = rows.set_column(1, SCHEMA.field("source"), batch.sources.to_arrow().cast(pa.string()))
        yield rows
