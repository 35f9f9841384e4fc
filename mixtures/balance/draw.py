"""Drawing some records of a mixture, so much of each source or as long as those of another mixture.

Each record has a rank that only the seed and what it was made of decide, and those of the lowest ranks are taken. So a
larger budget gives what a smaller one gives and more, whatever the order of records and however many processes built
them.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from mix665k.builders.draw import Draw
from mix665k.mixtures.balance.measure import measured
from mix665k.mixtures.balance.shares import amounts, weights_of
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.derived import Leaving
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import BALANCE, Balanced, BalancedSource, Manifest
from mix665k.schemas.recipe import Balance, Unit

_NOT_DRAWN, _NO_LENGTH = "not drawn", "no record of this length is asked for"


class Inputs(NamedTuple):
    """What a balance needs beside the recipe's own words; `at_most` where only a part of the recipe was built."""

    seed: int
    tokenizer: str | None
    raw: Path
    at_most: bool = False


def balance(mixture: Mixture, asked: Balance, inputs: Inputs) -> tuple[Manifest, Leaving]:
    """The manifest of a balanced mixture, still to be written, and the records that go.

    Raises:
        UserError: for weights, budgets and mixtures that cannot be met.
    """
    unit, _ = asked.counts
    draw = Draw(inputs.seed, purpose=BALANCE)
    records = measured(mixture, unit=unit, draw=draw, tokenizer=inputs.tokenizer)
    if asked.match:
        kept, wanted, hash_ = _as_long_as(records, inputs.raw / asked.match.mixture, unit=unit, inputs=inputs)
    else:
        kept, wanted, hash_ = *_of_each(records, asked, at_most=inputs.at_most), None
    if not kept.height:
        raise MixtureError("balance: no record is left, expected one or more; raise the budget")
    of, taken = (dict(frame.group_by("source").agg(pl.col("size").sum()).rows()) for frame in (records, kept))
    sources = [
        BalancedSource(name, of=of.get(name, 0), asked=wanted.get(name), taken=taken.get(name, 0))
        for name in mixture.sources
    ]
    manifest = mixture.require_manifest()
    done = Balanced(made_from=manifest.row_hash, seed=inputs.seed, unit=unit, sources=sources, matched=hash_)
    gone = records.join(kept, on="row", how="anti").select(
        record="row", reason=pl.lit(_NO_LENGTH if asked.match else _NOT_DRAWN)
    )
    return msgspec.structs.replace(manifest, balanced=done), Leaving(gone.sort("record"), BALANCE, "chosen")


def _of_each(records: pl.DataFrame, asked: Balance, *, at_most: bool) -> tuple[pl.DataFrame, dict[str, int]]:
    """The records of the lowest ranks of each source that together are at most so large."""
    sizes = dict(records.group_by("source").agg(pl.col("size").sum()).sort("source").rows())
    wanted = amounts(weights_of(asked, sizes), sizes, asked.counts[1], at_most=at_most)
    most = pl.col("source").replace_strict(wanted, default=0, return_dtype=pl.Int64)
    ranked = records.sort("rank", "row").with_columns(total=pl.col("size").cum_sum().over("source"))
    return ranked.filter(pl.col("total") <= most), wanted


def _as_long_as(
    records: pl.DataFrame, path: Path, *, unit: Unit, inputs: Inputs
) -> tuple[pl.DataFrame, dict[str, int], str]:
    """As many records of each length, within a quarter, as another mixture has, or all where it has more."""
    other = Mixture.open(path)
    theirs = measured(other, unit=unit, draw=Draw(0, purpose=BALANCE), tokenizer=inputs.tokenizer)
    wanted = Counter(map(length_class, theirs["size"].to_list()))
    classes = records.with_columns(length=pl.Series(map(length_class, records["size"].to_list()), dtype=pl.Int64))
    ranked = classes.sort("rank", "row").with_columns(number=pl.int_range(pl.len()).over("length"))
    most = pl.col("length").replace_strict(dict(wanted), default=0, return_dtype=pl.Int64)
    hash_ = other.manifest.row_hash if other.manifest else sha256_of(path)
    return ranked.filter(pl.col("number") < most), {}, hash_


def length_class(size: int) -> int:
    """The same for sizes that have the length in bits and the three first bits in common: 8 and 9, 64 to 79."""
    bits = size.bit_length()
    return size if bits < 3 else bits * 4 + (size >> (bits - 3) & 3)
