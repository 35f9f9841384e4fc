"""Finding a record of a mixture by its id, or by what a person takes for it."""

import difflib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.integrity import require_file
from mix665k.mixtures.storage.parquet import SCHEMA
from mix665k.schemas.errors import MixtureError, did_you_mean
from mix665k.schemas.manifest import Manifest, Shard, SourceEntry
from mix665k.schemas.shards import AGAIN

_MAX_LISTED = 10
_MAX_COMPARED = 20_000
_MAX_LONGER = 2
"""Characters by which a mistyped id is shorter or longer than the right one."""


class Located(NamedTuple):
    """A record, with its source in the manifest."""

    row: dict[str, Any]
    entry: SourceEntry


def find_record(mixture: Mixture, identifier: str) -> Located:
    """The record of this id, or the only one that goes by it without its number, or by its reference id.

    Raises:
        MixtureError: when there is none, or several, with the ids that may be meant; when a shard is damaged.
    """
    folder, manifest = mixture.path, mixture.require_manifest()
    label, _, rest = identifier.partition("/")
    own = [entry for entry in manifest.sources if entry.name == label]
    if located := _only(folder, own, pl.col("id") == identifier):
        return located
    names = _names(folder, manifest)
    told = (pl.col("id").str.replace(r"#\d+$", "") == identifier) | (pl.col("reference_id") == identifier)
    told |= (pl.col("source") == label) & (pl.col("reference_id") == rest)
    meant = names.filter(told)["id"].to_list()
    if len(meant) > 1:
        raise MixtureError(f"{identifier}: may be any of {len(meant):,} records: {_listed(meant)}; name one of them")
    if not meant:
        raise MixtureError(f"{folder}: no record {identifier!r}{_suggestion(identifier, names['id'], manifest)}")
    own = [entry for entry in manifest.sources if meant[0].startswith(f"{entry.name}/")]
    located = _only(folder, own, pl.col("id") == meant[0])
    assert located is not None, meant
    return located


def _only(folder: Path, entries: list[SourceEntry], condition: pl.Expr) -> Located | None:
    """The record that meets a condition."""
    for entry in entries:
        for shard in entry.shards:
            found = _read(folder, shard, condition)
            if not found.is_empty():
                return Located(found.to_dicts()[0], entry)
    return None


def _names(folder: Path, manifest: Manifest) -> pl.DataFrame:
    """What all records are called."""
    columns = ("id", "source", "reference_id")
    frames = [pl.DataFrame(schema=dict.fromkeys(columns, pl.String))]
    frames += [_read(folder, shard, columns=columns) for entry in manifest.sources for shard in entry.shards]
    return pl.concat(frames)


def _read(
    folder: Path, shard: Shard, condition: pl.Expr | bool = True, *, columns: Sequence[str] = SCHEMA.names
) -> pl.DataFrame:
    """Rows of a shard whose file is the one that was built.

    Raises:
        MixtureError: when it is not, or no shard of a mixture.
    """
    require_file(folder, shard)
    try:
        rows = pl.scan_parquet((folder / shard.path).absolute(), glob=False)
        return rows.filter(condition).select(columns).collect()
    except pl.exceptions.PolarsError as error:
        why = str(error).splitlines()[0]
        raise MixtureError(f"{folder / shard.path}: damaged: {why}; {AGAIN}") from None


def _listed(ids: list[str]) -> str:
    more = f", … {len(ids) - _MAX_LISTED:,} more" if len(ids) > _MAX_LISTED else ""
    return f"{', '.join(ids[:_MAX_LISTED])}{more}"


def _suggestion(identifier: str, ids: pl.Series, manifest: Manifest) -> str:
    """The nearest source where there is none of that name, else the nearest id."""
    label, slash, rest = identifier.partition("/")
    labels = [entry.name for entry in manifest.sources]
    if slash and label not in labels:
        return f", and no source {label!r}{did_you_mean(label, labels)}"
    if label in labels:
        ids = ids.filter(ids.str.starts_with(f"{label}/"))
    lengths = ids.str.len_chars().cast(pl.Int64)
    alike = ids.filter((lengths - len(identifier)).abs() <= _MAX_LONGER)
    inside = ids.filter(ids.str.contains(rest or identifier, literal=True))
    beginnings = (alike.filter(alike.str.starts_with(identifier[:stop])) for stop in range(len(identifier), -1, -1))
    candidates = next((found for found in chain([inside], beginnings) if not found.is_empty()), ids)
    close = difflib.get_close_matches(identifier, candidates.head(_MAX_COMPARED).to_list(), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f", expected an id such as {ids[0]!r}" if len(ids) else "; it holds none"
