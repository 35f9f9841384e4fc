"""A mixture's records by name only: positions, ids or hashes, a line each, for others to select the same ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import polars as pl

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.content import record_hashes, records_of
from mix665k.mixtures.select.matching import match_records
from mix665k.mixtures.select.named_records import Header
from mix665k.mixtures.terminal import Advance, no_progress
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import DERIVING

NameForm = Literal["positions", "ids", "hashes"]


def name_lines(
    mixture: Mixture, form: NameForm, *, of: Path | None, sources: tuple[str, ...], advance: Advance
) -> Iterable[str]:
    """The first line, which says what the others are and of what, and one for each record, in order.

    `of` is what positions count the rows of: the mixture that this one was selected from, or the published file;
    without it the mixture itself. Ids are those of the mixture, which are unique; hashes are of content and of the id
    in LLaVA's own form, so records that are alike in all of it have one hash.

    Raises:
        MixtureError: when the mixture is damaged, was made of another one that `of` does not name, or has records that
            are not in there.
    """
    manifest = mixture.require_manifest()
    if form == "positions":
        counted = mixture if of is None else Mixture.open(of)
        yield _header(form, counted).line()
        yield from map(str, _positions(mixture, counted, sources=sources, advance=advance))
        return
    yield Header(form, of=manifest.name, kind="row hash", value=manifest.row_hash).line()
    for batch in mixture.batches(sources=sources, advance=advance):
        yield from record_hashes(batch.rows) if form == "hashes" else batch.rows.column("id").to_pylist()


def _header(form: NameForm, counted: Mixture) -> Header:
    if counted.manifest is None:
        return Header(form, of=counted.name, kind="sha256", value=sha256_of(counted.path))
    return Header(form, of=counted.name, kind="row hash", value=counted.manifest.row_hash)


def _positions(mixture: Mixture, counted: Mixture, *, sources: tuple[str, ...], advance: Advance) -> list[int]:
    """The rows of `counted` that the mixture's records are, from 0, in the order of the mixture."""
    if counted is mixture:
        entries = mixture.entries(sources)
        if any(step.step in DERIVING for entry in entries for step in entry.funnel):
            raise MixtureError(
                f"{mixture.path}: holds some records of another mixture, whose rows positions should count; "
                "name that one, or the published file, with --of"
            )
        return [place for batch in mixture.batches(sources=sources, advance=advance) for place in batch.places]
    ours = records_of(mixture, told=True, advance=advance)
    ours = ours.filter(pl.col("source").cast(pl.String).is_in(sources)) if sources else ours
    theirs = records_of(counted, told=True, advance=no_progress)
    if counted.manifest is None:
        ours = ours.with_row_index("entry")
        matches = match_records(ours, theirs).entries
        lost = ours.filter(matches["outcome"] != "exact")["id"]
        rows = matches["row"]
    else:
        found = ours.join(
            theirs.select("id", "text", "image", at="row"),
            on=["id", "text", "image"],
            how="left",
            maintain_order="left",
        )
        lost, rows = found.filter(pl.col("at").is_null())["id"], found["at"]
    if len(lost):
        raise MixtureError(
            f"--of {counted.path}: {len(lost):,} of {len(ours):,} records are not in there, the first is {lost[0]!r}; "
            "name what this mixture was selected from"
        )
    return rows.to_list()
