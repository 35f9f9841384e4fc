"""The numbers of a comparison, source by source."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from mix665k.mixtures.diff.comparison import OUTCOMES, Lengths, Outcome, Prompts, SourceComparison, percent
from mix665k.mixtures.diff.differences import FIELDS, ORDER
from mix665k.mixtures.diff.examples import Found
from mix665k.mixtures.inspect.measure import spread_of
from mix665k.mixtures.terminal import ALL

SEPARATOR = ", "


def with_outcomes(matches: pl.DataFrame, sources: pl.Series) -> pl.DataFrame:
    """The matches with `source`, `differs` (the fields in words) and `outcome`."""
    fields = [pl.when(pl.col(name)).then(pl.lit(name)) for name in FIELDS]
    outcome = (
        pl.when(pl.col("differs") == "")
        .then(pl.lit("identical"))
        .when(pl.col("differs") == ORDER)
        .then(pl.lit("reordered"))
        .otherwise(pl.lit("differing"))
    )
    frame = matches.select(
        "here", "there", "shared", differs=pl.concat_str(fields, separator=SEPARATOR, ignore_nulls=True)
    )
    return frame.with_columns(outcome.alias("outcome"), source=sources.gather(matches["here"]))


def summarise(name: str, here: pl.DataFrame, there: pl.DataFrame, matches: pl.DataFrame) -> SourceComparison:
    """One source's numbers, of its records on both sides and of the matches among them."""
    only: dict[Outcome, int] = {"only_here": len(here) - len(matches), "only_there": len(there) - len(matches)}
    counts = {outcome: only.get(outcome, len(matches.filter(outcome=outcome))) for outcome in OUTCOMES}
    whole = sum(counts.values())
    differing = matches.filter(outcome="differing").group_by("differs").len()
    return SourceComparison(
        name=name,
        here=len(here),
        there=len(there),
        identical=counts["identical"],
        reordered=counts["reordered"],
        differing=counts["differing"],
        only_here=counts["only_here"],
        only_there=counts["only_there"],
        percent={outcome: percent(count, whole) for outcome, count in counts.items()},
        differing_in=dict(differing.sort(["len", "differs"], descending=[True, False]).rows()),
        moved=out_of_order(matches.sort("here")["there"].to_numpy()),
        pairs_here=int(here["pairs"].sum()),
        pairs_there=int(there["pairs"].sum()),
        pairs_shared=int(matches["shared"].sum()),
        lengths_here=_lengths(here),
        lengths_there=_lengths(there),
        prompts=_prompts(here, there),
    )


def total(
    sources: Sequence[SourceComparison], here: pl.DataFrame, there: pl.DataFrame, matches: pl.DataFrame
) -> SourceComparison:
    """All sources together; a record counts as moved where it is in its own source."""
    found = summarise(ALL, here, there, matches)
    found.moved = sum(one.moved for one in sources)
    return found


def first_ones(
    matches: pl.DataFrame, only_here: pl.DataFrame, only_there: pl.DataFrame, *, examples: int
) -> list[Found]:
    """The first records of each source that are not identical, of different kinds as far as there are; common first."""
    columns = {"source": pl.String, "outcome": pl.String, "here": pl.UInt32, "there": pl.UInt32, "differs": pl.String}
    frames = [matches.filter(pl.col("outcome") != "identical").sort("here")]
    for outcome, records in (("only_here", only_here), ("only_there", only_there)):
        row = pl.col("row").alias(outcome.removeprefix("only_"))
        frames.append(records.sort("row").select("source", row, outcome=pl.lit(outcome)))
    frame = pl.concat([pl.DataFrame(schema=columns), *frames], how="diagonal").select(*columns)
    kind = ("source", "outcome", "differs")
    frame = frame.with_columns(number=pl.int_range(pl.len()).over(kind), common=pl.len().over(kind))
    frame = frame.sort("number", "common", descending=[False, True], maintain_order=True)
    chosen = frame.filter(pl.int_range(pl.len()).over("source") < examples).select(*columns)
    return [
        Found(source, outcome, here, there, tuple(differs.split(SEPARATOR)) if differs else ())
        for source, outcome, here, there, differs in chosen.rows()
    ]


def out_of_order(places: npt.NDArray[np.uint32]) -> int:
    """How many of them must be taken away for the rest to stand in order."""
    if (np.diff(places.astype(np.int64)) > 0).all():
        return 0
    ends: list[int] = []  # the smallest end of an ordered selection of each length
    for place in places.tolist():
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
    return len(places) - len(ends)


def _lengths(records: pl.DataFrame) -> Lengths:
    return Lengths(spread_of(records["words"]), spread_of(records["pairs"]))


def _prompts(here: pl.DataFrame, there: pl.DataFrame) -> list[Prompts]:
    ours, theirs = (dict(records.group_by("form").len().rows()) for records in (here, there))
    forms = sorted(ours | theirs, key=lambda form: (-ours.get(form, 0), -theirs.get(form, 0), form))
    return [Prompts(form, ours.get(form, 0), theirs.get(form, 0)) for form in forms]
