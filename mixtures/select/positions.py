"""Positions: rows of the published file, or of the mixture at hand, and what they are counted from.

A position names a row of the file it was counted in. With that file at hand (`published`) its record there is looked
up, and then found in the mixture by content. Without it the row of the mixture itself is meant, which is the same
record only where the mixture has the file's order and counts.
"""

from typing import Literal, NamedTuple

import polars as pl

from mix665k.mixtures.select.named_records import ZERO_BASED, NamedRecords
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.recipe import Select

Rows = Literal["all", "images"]


class Counting(NamedTuple):
    """What positions are counted from, and which rows they count."""

    base: int
    rows: Rows

    def option(self) -> str:
        """As options of `mix select`."""
        return f"--base {self.base}{' --rows images' if self.rows == 'images' else ''}"


COUNTINGS = tuple(Counting(base, rows) for rows in ("all", "images") for base in (0, 1))


class Agreement(NamedTuple):
    """How many records with a position are where it says if it is counted so."""

    counting: Counting
    agree: int
    of: int


def counting_of(named: NamedRecords, select: Select) -> Counting:
    """What positions are counted from: as it is said, or 0 for lists of ours and fields that are known to.

    Raises:
        MixtureError: when nothing tells.
    """
    if select.base is None and named.header is None and named.key not in ZERO_BASED:
        raise MixtureError(
            f"{named.path}: positions, and nothing says what they are counted from; pass --base 0 or --base 1"
        )
    return Counting(select.base or 0, select.rows)


def located(positions: pl.DataFrame, records: pl.DataFrame, counting: Counting) -> pl.DataFrame:
    """`entry` and `at`: the rows that positions name, null where there is none; `records` are those of the file."""
    counted = records if counting.rows == "all" else records.filter(pl.col("image") != "")
    number = pl.col("at") if counting.rows == "all" else pl.int_range(pl.len(), dtype=pl.Int64)
    order = counted.select(at="row").with_columns(position=number + counting.base)
    return (
        positions.select("entry", "position")
        .join(order, on="position", how="left", maintain_order="left")
        .select("entry", "at")
    )


def require_there(named: NamedRecords, found: pl.DataFrame, *, counting: Counting, size: int) -> None:
    """Every position is one of a row.

    Raises:
        MixtureError: with the first that is not.
    """
    outside = found.filter(pl.col("at").is_null())["entry"]
    if outside.is_empty():
        return
    entry = named.entries.row(int(outside[0]), named=True)
    last = size - 1 + counting.base
    hint = ""
    if counting.base == 0 and entry["position"] == size and len(outside) == 1:
        hint = "; is it counted from 1? pass --base 1"
    elif counting.base == 1 and entry["position"] == 0:
        hint = "; it is counted from 0, pass --base 0"
    kind = "rows" if counting.rows == "all" else "rows with an image"
    raise MixtureError(
        f"{named.path}: {entry['where']}: position {entry['position']}, expected {counting.base} to {last:,}, "
        f"counted over {size:,} {kind} from {counting.base}{hint}"
    )


def agreements(named: NamedRecords, known: pl.DataFrame, records: pl.DataFrame) -> list[Agreement]:
    """How well positions agree with content under each way of counting, the best first.

    `known` has the `entry` of those whose content is among the records. Texts are compared, not rows: of records that
    are alike none is the wrong one.
    """
    numbered = named.entries.select("entry", "position", "text").drop_nulls().join(known, on="entry", how="semi")
    found = []
    for counting in COUNTINGS:
        there = numbered.join(located(numbered, records, counting), on="entry")
        there = there.join(records.select("text", at="row"), on="at", suffix="_there")
        agree = int((there["text"] == there["text_there"]).sum())
        found.append(Agreement(counting, agree=agree, of=len(numbered)))
    return sorted(found, key=lambda one: -one.agree)


def require_agreement(named: NamedRecords, found: list[Agreement], asked: Counting) -> None:
    """Records that have both are where their positions say.

    Raises:
        MixtureError: with the way of counting that would fit, where there is one.
    """
    [ours] = [one for one in found if one.counting == asked]
    if ours.agree == ours.of:
        return
    best = found[0]
    wrong = (
        f"{named.path}: {ours.of - ours.agree:,} of {ours.of:,} records are not where {named.key!r} says "
        f"with {asked.option()}"
    )
    if best.agree == best.of:
        raise MixtureError(f"{wrong}; all are with {best.counting.option()}")
    raise MixtureError(
        f"{wrong}, at best {best.agree:,} are, with {best.counting.option()}: it counts rows of another file; pass "
        "that as --published, or leave --base out to go by content"
    )


def agreement_in_words(key: str, found: list[Agreement]) -> str:
    """What the positions of records say beside their content."""
    best = found[0]
    counted = f"{'rows' if best.counting.rows == 'all' else 'rows with an image'} from {best.counting.base}"
    return f"{key}: {best.agree:,} of {best.of:,} agree with content, counted over {counted}"
