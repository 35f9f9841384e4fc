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
    frame = matches.select("a", "b", "shared", differs=pl.concat_str(fields, separator=SEPARATOR, ignore_nulls=True))
    return frame.with_columns(outcome.alias("outcome"), source=sources.gather(matches["a"]))


def summarise(name: str, *, a: pl.DataFrame, b: pl.DataFrame, matches: pl.DataFrame) -> SourceComparison:
    """One source's numbers, of its records on both sides and of the matches among them."""
    only: dict[Outcome, int] = {"only_in_a": len(a) - len(matches), "only_in_b": len(b) - len(matches)}
    counts = {outcome: only.get(outcome, len(matches.filter(outcome=outcome))) for outcome in OUTCOMES}
    whole = sum(counts.values())
    differing = matches.filter(outcome="differing").group_by("differs").len()
    return SourceComparison(
        name=name,
        a=len(a),
        b=len(b),
        identical=counts["identical"],
        reordered=counts["reordered"],
        differing=counts["differing"],
        only_in_a=counts["only_in_a"],
        only_in_b=counts["only_in_b"],
        percent={outcome: percent(count, whole) for outcome, count in counts.items()},
        differing_in=dict(differing.sort(["len", "differs"], descending=[True, False]).rows()),
        moved=out_of_order(matches.sort("a")["b"].to_numpy()),
        pairs_in_a=int(a["pairs"].sum()),
        pairs_in_b=int(b["pairs"].sum()),
        pairs_shared=int(matches["shared"].sum()),
        lengths_in_a=_lengths(a),
        lengths_in_b=_lengths(b),
        prompts=_prompts(a, b),
    )


def total(
    sources: Sequence[SourceComparison], *, a: pl.DataFrame, b: pl.DataFrame, matches: pl.DataFrame
) -> SourceComparison:
    """All sources together; a record counts as moved where it is in its own source."""
    found = summarise(ALL, a=a, b=b, matches=matches)
    found.moved = sum(one.moved for one in sources)
    return found


def count_by_content(a: pl.DataFrame, matches: pl.DataFrame) -> int:
    """How many matched records have neither id nor image in common; of `a` are the records of the one side."""
    differs = pl.col("differs").str.split(SEPARATOR)
    other_image = differs.list.contains("image") | (pl.col("image") == 0)
    counted = matches.with_columns(image=a["image"].gather(matches["a"])).filter(
        differs.list.contains("id") & other_image
    )
    return len(counted)


def first_ones(
    matches: pl.DataFrame, only_in_a: pl.DataFrame, only_in_b: pl.DataFrame, *, examples: int
) -> list[Found]:
    """The first records of each source that are not identical, of different kinds as far as there are; common first."""
    columns = {"source": pl.String, "outcome": pl.String, "a": pl.UInt32, "b": pl.UInt32, "differs": pl.String}
    frames = [matches.filter(pl.col("outcome") != "identical").sort("a")]
    for outcome, records in (("only_in_a", only_in_a), ("only_in_b", only_in_b)):
        row = pl.col("row").alias(outcome.removeprefix("only_in_"))
        frames.append(records.sort("row").select("source", row, outcome=pl.lit(outcome)))
    frame = pl.concat([pl.DataFrame(schema=columns), *frames], how="diagonal").select(*columns)
    kind = ("source", "outcome", "differs")
    frame = frame.with_columns(number=pl.int_range(pl.len()).over(kind), common=pl.len().over(kind))
    frame = frame.sort("number", "common", descending=[False, True], maintain_order=True)
    chosen = frame.filter(pl.int_range(pl.len()).over("source") < examples).select(*columns)
    return [
        Found(source, outcome=outcome, a=a, b=b, differs=tuple(differs.split(SEPARATOR)) if differs else ())
        for source, outcome, a, b, differs in chosen.rows()
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


def _prompts(a: pl.DataFrame, b: pl.DataFrame) -> list[Prompts]:
    ours, theirs = (dict(records.group_by("form").len().rows()) for records in (a, b))
    forms = sorted(ours | theirs, key=lambda form: (-ours.get(form, 0), -theirs.get(form, 0), form))
    return [Prompts(form, ours.get(form, 0), theirs.get(form, 0)) for form in forms]
