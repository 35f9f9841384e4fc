"""Writing a mixture in the forms that other trainers read, batch by batch, whole or not at all."""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mix665k.mixtures.export.names import name_lines
from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage.llava_json import published_record
from mix665k.mixtures.storage.parquet import images_of, to_dicts
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
    """Rows of a mixture with their unique ids; `images` is empty for text, a system text is a message in front.

    `drop` takes an only image's token out, with the newline that sets it apart; several stay, as their places count.
    """
    conversations = rows.column("conversations")
    roles, texts = conversations.flatten().flatten()
    if image_token == "drop":
        without = pc.replace_substring_regex(texts, f"{IMAGE_TOKEN}\n|\n{IMAGE_TOKEN}|{IMAGE_TOKEN}", "")
        several = rows.column("more_images").is_valid().to_numpy(zero_copy_only=False)
        of_several = several.repeat(pc.list_value_length(conversations).to_numpy())
        texts = pc.if_else(pa.array(of_several), texts, without)
    roles = pc.if_else(pc.equal(roles, "human"), "user", "assistant")
    offsets = pc.subtract(conversations.offsets, conversations.offsets[0])
    messages = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([roles, texts], fields=list(_MESSAGE)))
    if (system := rows.column("system")).null_count < len(rows):
        told = [[] if text is None else [{"role": "system", "content": text}] for text in system.to_pylist()]
        both = zip(told, messages.to_pylist(), strict=True)
        messages = pa.array([first + rest for first, rest in both], messages.type)
    return pa.RecordBatch.from_arrays([rows.column("id"), images_of(rows), messages], schema=SCHEMA)


def write_jsonl(batches: Iterable[pa.RecordBatch], file: IO[bytes], *, first: pa.RecordBatch | None) -> int:
    """Write one JSON object per line, the row `first` before all others; gives their number."""
    count = 0
    if first is not None:
        pl.DataFrame(first).write_ndjson(file)
    for batch in batches:
        rest = batch if first is None else batch.filter(pc.not_equal(batch.column("id"), first.column("id")[0]))
        pl.DataFrame(rest).write_ndjson(file)
        count += len(batch)
    return count


def first_with_image(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch | None:
    """The first row of messages that has an image; None where that is the first of all, or there is none.

    `datasets` takes the type of each column from the first megabytes of a JSON Lines file. Where none of the records in
    them has an image, `images` is a list of nothing, and the first image after them is an error.
    """
    for number, batch in enumerate(batches):
        place = pc.index(pc.greater(pc.list_value_length(batch.column("images")), 0), True).as_py()
        if place >= 0:
            return batch.slice(place, 1) if number or place else None
    return None


def write_parquet(batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    """Write Parquet, one row group per batch; gives the number of rows."""
    count = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += len(batch)
    return count


Form = Literal["llava", "messages", "positions", "ids", "hashes"]
_SUFFIXES: dict[Form, tuple[str, ...]] = {
    "llava": (".json",),
    "messages": (".parquet", ".jsonl"),
    "positions": (".txt", ".txt.gz"),
    "ids": (".txt", ".txt.gz"),
    "hashes": (".txt", ".txt.gz"),
}


class ExportRequest(NamedTuple):
    """What to write and where; `image_token` is for messages only, `of` for positions."""

    form: Form
    out: Path
    sources: tuple[str, ...] = ()
    image_token: ImageToken = "keep"
    overwrite: bool = False
    of: Path | None = None


def export(mixture: Mixture, request: ExportRequest, *, advance: Advance) -> int:
    """Write a mixture's records to one file, in the order of the mixture; gives their number.

    In JSON Lines the first record with an image comes before all others, see `first_with_image`. The file appears under
    its name once it is complete and the mixture was found whole.

    Raises:
        MixtureError: when the mixture is damaged, a source is not there, or the file cannot be written as asked.
    """
    _require_out(request)
    mixture.require_manifest()
    rows = mixture.batches(sources=request.sources, advance=advance)
    try:
        with whole_file(request.out) as file:
            _require_out(request)  # again: a command that was writing here may have finished since
            if request.form == "llava":
                return write_llava(rows, file)
            if request.form != "messages":
                lines = name_lines(mixture, request.form, of=request.of, sources=request.sources, advance=advance)
                return write_lines(lines, file, packed=request.out.suffix == ".gz")
            if request.out.suffix == ".parquet":
                return write_parquet(_messages(rows, request), file)
            first = first_with_image(_messages(mixture.batches(sources=request.sources), request))
            return write_jsonl(_messages(rows, request), file, first=first)
    except OSError as error:
        raise MixtureError(f"--out {request.out}: {os_reason(error)}") from None


def _messages(batches: Iterable[Batch], request: ExportRequest) -> Iterator[pa.RecordBatch]:
    return (to_messages(batch.rows, image_token=request.image_token) for batch in batches)


def _require_out(request: ExportRequest) -> None:
    out, suffixes = request.out, _SUFFIXES[request.form]
    if not out.name.endswith(suffixes):
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


def write_lines(lines: Iterable[str], file: IO[bytes], *, packed: bool) -> int:
    """Write lines of text, by gzip if they are to be packed; gives their number without the first."""
    content = "".join(f"{line}\n" for line in lines)
    # without name and time, so that the same mixture gives the same bytes
    file.write(gzip.compress(content.encode(), mtime=0) if packed else content.encode())
    return content.count("\n") - 1
