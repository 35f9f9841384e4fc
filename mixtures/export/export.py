"""Writing a mixture in the forms that other trainers read, batch by batch, whole or not at all."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage.llava_json import published_record
from mix665k.mixtures.storage.parquet import to_dicts
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.files import whole_file

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


Form = Literal["llava", "messages"]
_SUFFIXES: dict[Form, tuple[str, ...]] = {"llava": (".json",), "messages": (".parquet", ".jsonl")}


class ExportRequest(NamedTuple):
    """What to write and where; `image_token` is for messages only."""

    form: Form
    out: Path
    sources: tuple[str, ...] = ()
    image_token: ImageToken = "keep"
    overwrite: bool = False


def export(mixture: Mixture, request: ExportRequest, *, advance: Advance) -> int:
    """Write a mixture's records to one file, in the order of the mixture; gives their number.

    The file appears under its name once it is complete and the mixture was found whole.

    Raises:
        MixtureError: when the mixture is damaged, a source is not there, or the file cannot be written as asked.
    """
    _require_out(request)
    mixture.require_manifest()
    rows = mixture.batches(sources=request.sources, advance=advance)
    try:
        with whole_file(request.out) as file:
            if request.form == "llava":
                return write_llava(rows, file)
            batches = (to_messages(batch.rows, image_token=request.image_token) for batch in rows)
            return (write_parquet if request.out.suffix == ".parquet" else write_jsonl)(batches, file)
    except OSError as error:
        raise MixtureError(f"--out {request.out}: {os_reason(error)}") from None


def _require_out(request: ExportRequest) -> None:
    out, suffixes = request.out, _SUFFIXES[request.form]
    if out.suffix not in suffixes:
        expected = " or ".join(suffixes)
        raise MixtureError(f"--out {out}: ends in {out.suffix!r}, expected {expected} for --format {request.form}")
    if out.exists() and not (request.overwrite and out.is_file()):
        mend = "name another" if out.is_dir() else "name another or pass --overwrite"
        raise MixtureError(f"--out {out}: already there; {mend}")
    if not out.parent.is_dir():
        raise MixtureError(f"--out {out}: no such folder {out.parent}; make it first")


def write_llava(batches: Iterable[Batch], file: IO[bytes]) -> int:
    """Write LLaVA's own form, a JSON list with a record per line; gives their number."""
    encoder = msgspec.json.Encoder()
    count = 0
    for batch in batches:
        for row, integer_id in zip(to_dicts(batch.rows), batch.integer_ids, strict=True):
            file.write(b",\n" if count else b"[\n")
            file.write(encoder.encode(published_record(row, integer_id=integer_id)))
            count += 1
    file.write(b"\n]\n" if count else b"[]\n")
    return count
