"""Writing a mixture in the forms that other trainers read, batch by batch, whole or not at all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NamedTuple

import msgspec

from mix665k.mixtures.export.messages import ImageToken, to_messages, write_jsonl, write_parquet
from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.llava_json import published_record
from mix665k.mixtures.storage.parquet import to_dicts
from mix665k.schemas.errors import MixtureError, os_reason

Form = Literal["llava", "messages"]
_SUFFIXES: dict[Form, tuple[str, ...]] = {"llava": (".json",), "messages": (".parquet", ".jsonl")}


class Export(NamedTuple):
    """What to write and where; `image_token` is for messages only."""

    form: Form
    out: Path
    sources: tuple[str, ...] = ()
    image_token: ImageToken = "keep"
    overwrite: bool = False


def export(mixture: Mixture, request: Export, *, advance: Advance) -> int:
    """Write a mixture's records to one file, in the order of the mixture; gives their number.

    The file appears under its name once it is complete and the mixture was found whole.

    Raises:
        MixtureError: when the mixture is damaged, a source is not there, or the file cannot be written as asked.
    """
    _require_out(request)
    mixture.require_manifest()
    rows = mixture.batches(sources=request.sources, advance=advance)
    try:
        with _whole_file(request.out) as file:
            if request.form == "llava":
                return write_llava(rows, file)
            batches = (to_messages(batch.rows, image_token=request.image_token) for batch in rows)
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
