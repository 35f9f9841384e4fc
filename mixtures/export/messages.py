"""Rows as `messages` and `images`: the form that TRL, LLaMA-Factory and ms-swift read."""

from collections.abc import Iterable
from typing import IO, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mix665k.schemas.conversation import IMAGE_TOKEN

ImageToken = Literal["keep", "drop"]
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("images", pa.list_(pa.string()), nullable=False),
        pa.field("messages", pa.list_(_MESSAGE), nullable=False),
    ]
)


def to_messages(rows: pa.RecordBatch, *, image_token: ImageToken) -> pa.RecordBatch:
    """Rows of a mixture with their unique ids; `images` is empty for text.

    `drop` takes the image token out, with the newline that sets it apart.
    """
    conversations, image = rows.column("conversations"), rows.column("image")
    roles, texts = conversations.flatten().flatten()
    if image_token == "drop":
        texts = pc.replace_substring_regex(texts, f"{IMAGE_TOKEN}\n|\n{IMAGE_TOKEN}|{IMAGE_TOKEN}", "")
    roles = pc.if_else(pc.equal(roles, "human"), "user", "assistant")
    offsets = pc.subtract(conversations.offsets, conversations.offsets[0])
    messages = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([roles, texts], fields=list(_MESSAGE)))
    num_images = np.concatenate([[0], np.cumsum(image.is_valid().to_numpy(zero_copy_only=False))])
    images = pa.ListArray.from_arrays(pa.array(num_images, pa.int32()), image.drop_null())
    return pa.RecordBatch.from_arrays([rows.column("id"), images, messages], schema=SCHEMA)


def write_jsonl(batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    """Write one JSON object per line; gives their number."""
    count = 0
    for batch in batches:
        pl.DataFrame(batch).write_ndjson(file)
        count += len(batch)
    return count


def write_parquet(batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    """Write Parquet, one row group per batch; gives the number of rows."""
    count = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += len(batch)
    return count
