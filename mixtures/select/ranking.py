"""Choosing among named records by their scores."""

import re
from typing import NamedTuple

import polars as pl

from mix665k.mixtures.select.named_records import NamedRecords
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.recipe import Select

_TOP = re.compile(r"(?P<share>\d+(?:\.\d+)?) ?%|(?P<count>[1-9]\d*)")


class Ranking(NamedTuple):
    """At least a score, and of what has it the highest: a share or a number, of all or of each source."""

    minimum: float | None
    share: float | None
    number: int | None
    per_source: bool

    def in_words(self) -> str:
        """For the manifest."""
        top = f"top {self.share * 100:g} %" if self.share is not None else f"top {self.number:,}" if self.number else ""
        parts = [f"score ≥ {self.minimum:g}" if self.minimum is not None else "", top]
        return ", ".join(part for part in parts if part) + (" of each source" if self.per_source else "")

    def limit(self, size: int) -> int:
        """How many of so many: a share is rounded down."""
        if self.share is not None:
            return int(round(self.share * size, 9))
        return size if self.number is None else min(self.number, size)


def ranking_of(select: Select, *, scored: bool) -> Ranking | None:
    """What `select` asks of scores, which the file has or not; None when it asks nothing.

    Raises:
        MixtureError: for a share or number that is none, and where there are no scores.
    """
    if select.per_source and select.top is None:
        raise MixtureError("--per-source: goes with --top")
    if select.top is None and select.min is None:
        return None
    if not scored:
        raise MixtureError(f"{select.by}: has no scores, expected a column `score`; say which it is with --score")
    found = _TOP.fullmatch(str(select.top)) if select.top is not None else None
    share = float(found["share"]) / 100 if found and found["share"] else None
    if select.top is not None and (found is None or (share is not None and not 0 < share <= 1)):
        raise MixtureError(f"--top {select.top}: expected a share such as 20% or a number of records, 1 or more")
    count = int(found["count"]) if found and found["count"] else None
    return Ranking(select.min, share=share, number=count, per_source=select.per_source)


def highest(exact: pl.DataFrame, named: NamedRecords, records: pl.DataFrame, *, ranking: Ranking) -> pl.Series:
    """The rows of the highest scores; of equal ones those first that stand first in the mixture.

    A share is of all records that were found and have a score. Whatever the order of the file, the result is the same.
    """
    scored = exact.join(named.entries.select("entry", "score"), on="entry").drop_nulls("score")
    scored = scored.join(records.select("row", "source"), on="row")
    ranked = scored.sort("score", "row", descending=[True, False])
    group = pl.col("source") if ranking.per_source else pl.lit(0)
    ranked = ranked.with_columns(rank=pl.int_range(pl.len()).over(group), size=pl.len().over(group))
    limits = {size: ranking.limit(size) for size in ranked["size"].unique()}
    kept = ranked.filter(pl.col("rank") < pl.col("size").replace_strict(limits, default=0, return_dtype=pl.Int64))
    if ranking.minimum is not None:
        kept = kept.filter(pl.col("score") >= ranking.minimum)
    return kept["row"]
