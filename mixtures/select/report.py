"""What a selection found: the numbers that `mix select` prints, as `--format json` gives them."""

from typing import Any

import msgspec
import polars as pl

from mix665k.mixtures.select.matching import OUTCOMES, Matches
from mix665k.mixtures.select.named_records import NamedRecords
from mix665k.mixtures.terminal import ALL
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.recipe import Select

UNKNOWN = "unknown source"
SEVERAL = "several sources"
_GO_WITHOUT = "pass --on-missing drop to go without them"
MAX_SHOWN = 5
"""Candidates, and entries, that a message or table shows; `--format json` has all."""


class SourceSelection(msgspec.Struct):
    """One source, or all: its records in the mixture, and what became of the entries that name it.

    asked = exact + ambiguous + missing + repeated. `selected` are the records that remain: the exact ones, of scores
    those that are high enough. `by` counts the exact ones by what told them.
    """

    name: str
    records: int = 0
    asked: int = 0
    exact: int = 0
    ambiguous: int = 0
    missing: int = 0
    repeated: int = 0
    selected: int = 0
    by: dict[str, int] = {}


class Unresolved(msgspec.Struct):
    """An entry that names no record of the mixture, or may name several: where it stands and what it says."""

    where: str
    says: str
    candidates: list[str] = []


class SelectionReport(msgspec.Struct):
    """Everything. `positions` says how positions agree with content, `row_hash` is of what was written."""

    mixture: str
    made_from: str
    file: str
    sha256: str
    form: str
    read_as: str
    method: str
    sources: list[SourceSelection]
    total: SourceSelection
    ambiguous: list[Unresolved] = []
    missing: list[Unresolved] = []
    positions: str | None = None
    out: str | None = None
    row_hash: str | None = None


def count_sources(
    matches: Matches, named: NamedRecords, records: pl.DataFrame, *, chosen: pl.Series, names: list[str]
) -> list[SourceSelection]:
    """What became of the entries, by source: those of the mixture in order, then what else the file names."""
    entries = _with_sources(matches, named, records, names=names)
    sizes = dict(records["source"].cast(pl.String).value_counts().rows())
    kept = dict(
        records.select("row", "source")
        .filter(pl.col("row").is_in(chosen.implode()))["source"]
        .cast(pl.String)
        .value_counts()
        .rows()
    )
    counts = entries.group_by("source", "outcome").len().rows()
    ways = entries.drop_nulls("by").group_by("source", "by").len().sort("len", "by", descending=[True, False]).rows()
    found = {
        name: SourceSelection(name, records=sizes.get(name, 0), selected=kept.get(name, 0), by={}) for name in names
    }
    for name in sorted({source for source, _, _ in counts} - set(names)):
        found[name] = SourceSelection(name, by={})
    for name, outcome, count in counts:
        setattr(found[name], outcome, count)
        found[name].asked += count
    for name, by, count in ways:
        found[name].by[by] = count
    return list(found.values())


def total_of(sources: list[SourceSelection]) -> SourceSelection:
    """The sum of all sources."""
    whole = SourceSelection(ALL, by={})
    for one in sources:
        for field in ("records", "asked", *OUTCOMES, "selected"):
            setattr(whole, field, getattr(whole, field) + getattr(one, field))
        for by, count in one.by.items():
            whole.by[by] = whole.by.get(by, 0) + count
    return whole


def _with_sources(matches: Matches, named: NamedRecords, records: pl.DataFrame, *, names: list[str]) -> pl.DataFrame:
    """The entries with a source: of their record, of all they may be, else the one that they seem to name."""
    source = records.select("row", pl.col("source").cast(pl.String))
    entries = matches.entries.join(source, on="row", how="left", maintain_order="left")
    doubtful = (
        matches.candidates.join(source, on="row")
        .group_by("entry")
        .agg(
            doubtful=pl.when(pl.col("source").n_unique() == 1).then(pl.col("source").first()).otherwise(pl.lit(SEVERAL))
        )
    )
    entries = entries.join(doubtful, on="entry", how="left", maintain_order="left")
    said = pl.lit(UNKNOWN)
    if "told" in named.entries.columns:
        entries = entries.with_columns(told=named.entries["told"])
        said = pl.col("told")
    elif "name" in named.entries.columns:
        entries = entries.with_columns(told=named.entries["name"].str.extract("^([^/]+)/"))
        said = pl.when(pl.col("told").is_in(names)).then(pl.col("told")).otherwise(said)
    return entries.with_columns(source=pl.coalesce("source", "doubtful", said))


def unresolved(matches: Matches, named: NamedRecords, records: pl.DataFrame, *, outcome: str) -> list[Unresolved]:
    """All entries of this outcome, with their candidates' ids."""
    entries = named.entries.join(
        matches.entries.filter(pl.col("outcome") == outcome).select("entry"),
        on="entry",
        how="semi",
        maintain_order="left",
    )
    ids = matches.candidates.join(records.select("row", "id"), on="row", maintain_order="left")
    candidates = dict(ids.group_by("entry", maintain_order=True).agg("id").rows())
    return [
        Unresolved(row["where"], says=_says(row), candidates=candidates.get(row["entry"], []))
        for row in entries.iter_rows(named=True)
    ]


def _says(row: dict[str, Any]) -> str:
    """What an entry says, in short."""
    for name in ("name", "hash", "reference_id", "position"):
        if row.get(name) is not None:
            image = row.get("image")
            return f"{row[name]} ({image})" if image else str(row[name])
    return ""


def require_resolved(found: SelectionReport, select: Select) -> None:
    """No entry is ambiguous or missing, unless such are left out, and some record is selected.

    Raises:
        MixtureError: with the number of such entries, and the first.
    """
    asked = found.total.asked
    if found.ambiguous and select.on_ambiguous == "fail":
        first = found.ambiguous[0]
        more = f", … {len(first.candidates) - MAX_SHOWN:,} more" if len(first.candidates) > MAX_SHOWN else ""
        raise MixtureError(
            f"{found.file}: {len(found.ambiguous):,} of {asked:,} entries may be several records, the first is "
            f"{first.where} {first.says}: {', '.join(first.candidates[:MAX_SHOWN])}{more}; name full records or the "
            "mixture's own ids, or pass --on-ambiguous drop to leave them out"
        )
    if found.missing and select.on_missing == "fail":
        first = found.missing[0]
        numbers = found.form == "ids" and not found.total.exact and all(one.says.isdigit() for one in found.missing)
        raise MixtureError(
            f"{found.file}: {len(found.missing):,} of {asked:,} entries are not in the mixture, the first is "
            f"{first.where} {first.says}; {'are they positions? pass --base 0 or --base 1' if numbers else _GO_WITHOUT}"
        )
    if not found.total.selected:
        raise MixtureError(f"{found.file}: selects no record of {found.mixture}, expected one or more")


def to_json(found: SelectionReport) -> str:
    """Everything as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
