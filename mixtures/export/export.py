"""Writing a mixture in the forms that other trainers read, batch by batch, whole or not at all."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import msgspec
import pyarrow as pa

from mix665k.mixtures.export.messages import ImageToken, to_messages, write_jsonl, write_parquet
from mix665k.mixtures.inspect.run import selected
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.integrity import require_sums, whole_rows
from mix665k.mixtures.storage.rows import to_dicts
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.manifest import load_manifest

Form = Literal["llava", "messages"]
_SUFFIXES: dict[Form, tuple[str, ...]] = {"llava": (".json",), "messages": (".parquet", ".jsonl")}
WHOLE_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
"""Texts that a 64-bit integer gives back as they are."""


class Export(NamedTuple):
    """What to write and where; `image_token` is for messages only."""

    form: Form
    out: Path
    sources: tuple[str, ...] = ()
    image_token: ImageToken = "keep"
    overwrite: bool = False


class Rows(NamedTuple):
    """A batch of a mixture, and whether its numeric ids are integers in LLaVA's own file."""

    batch: pa.RecordBatch
    integer_ids: bool


def export(folder: Path, request: Export, *, advance: Advance) -> int:
    """Write a mixture's records to one file, in the order of the mixture; gives their number.

    The file appears under its name once it is complete and the mixture was found whole.

    Raises:
        MixtureError: when the mixture is damaged, a source is not there, or the file cannot be written as asked.
    """
    _require_out(request)
    rows = _rows(folder, request.sources, advance)
    try:
        with _whole_file(request.out) as file:
            if request.form == "llava":
                return write_llava(rows, file)
            batches = (to_messages(batch, image_token=request.image_token) for batch, _ in rows)
            return (write_parquet if request.out.suffix == ".parquet" else write_jsonl)(batches, file)
    except OSError as error:
        raise MixtureError(f"--out {request.out}: {os_reason(error)}") from None


def _require_out(request: Export) -> None:
    out, suffixes = request.out, _SUFFIXES[request.form]
    if out.suffix not in suffixes:
        expected = " or ".join(suffixes)
        raise MixtureError(f"--out {out}: ends in {out.suffix!r}, expected {expected} for --format {request.form}")
    if out.exists() and not (request.overwrite and out.is_file()):
        mend = "name another" if out.is_dir() else "name another or pass --overwrite"
        raise MixtureError(f"--out {out}: already there; {mend}")
    if not out.parent.is_dir():
        raise MixtureError(f"--out {out}: no such folder {out.parent}; make it first")


def _rows(folder: Path, sources: tuple[str, ...], advance: Advance) -> Iterator[Rows]:
    """The rows of a mixture, each shard checked against the manifest."""
    manifest = load_manifest(folder)
    require_sums(folder, manifest)
    entries = selected(manifest, sources, folder=folder)
    whole = max(sum(entry.conversations for entry in entries), 1)
    for entry in entries:
        for shard in entry.shards:
            for batch in whole_rows(folder, shard):
                yield Rows(batch, entry.name in manifest.integer_ids)
                advance(len(batch) / whole)


@contextmanager
def _whole_file(out: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when everything is written, and vanishes when something fails."""
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def write_llava(rows: Iterable[Rows], file: IO[bytes]) -> int:
    """Write LLaVA's own form, a JSON list with a record per line; gives their number."""
    encoder = msgspec.json.Encoder()
    count = 0
    for batch, integer_ids in rows:
        for row in to_dicts(batch):
            file.write(b",\n" if count else b"[\n")
            file.write(encoder.encode(llava_record(row, integer_ids=integer_ids)))
            count += 1
    file.write(b"\n]\n" if count else b"[]\n")
    return count


def llava_record(row: dict[str, Any], *, integer_ids: bool) -> dict[str, Any]:
    """A row as the published file has it, where text-only records have `model` in place of `image`."""
    identifier: str | int = row["reference_id"]
    if integer_ids and WHOLE_NUMBER.match(row["reference_id"]):
        identifier = int(row["reference_id"])
    about = {"model": ""} if row["image"] is None else {"image": row["image"]}
    return {"id": identifier, **about, "conversations": row["conversations"]}
