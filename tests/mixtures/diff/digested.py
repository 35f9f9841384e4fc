"""Digested records written out as small numbers, for the parts of a comparison that never look at a text."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from mix665k.mixtures.diff.comparison import Side
from mix665k.mixtures.diff.digests import DigestedMixture, Digests, with_pair_sums


class Row(NamedTuple):
    """A record: numbers in the place of texts, an image of 0 is none; `first` is the first question as it stands."""

    id: int = 1
    image: int = 1
    pairs: tuple[tuple[int, int], ...] = ((10, 20),)
    first: int | None = None
    key: int = 0
    source: str = "gqa"
    integer: bool = False
    token: int = 1
    prompts: int = 0
    origins: int = 0
    steps: int = 0
    told: str = "gqa"
    folder: str = "gqa"
    stem: int = 0
    last: int = 0
    system: int = 0
    form: str = "none"


def digests(rows: Sequence[Row]) -> Digests:
    """The digests of some records."""
    numbers = ("id", "image", "key", "system", "prompts", "origins", "steps", "stem", "last")
    columns = {name: pl.Series([getattr(row, name) for row in rows], dtype=pl.UInt64) for name in numbers}
    texts = {name: pl.Series([getattr(row, name) for row in rows], dtype=pl.String) for name in ("told", "folder")}
    first = [row.pairs[0][0] if row.first is None else row.first for row in rows]
    frame = pl.DataFrame(columns | texts).with_columns(
        first=pl.Series(first, dtype=pl.UInt64),
        integer=pl.Series([row.integer for row in rows], dtype=pl.Boolean),
        token=pl.Series([row.token for row in rows], dtype=pl.UInt8),
        pairs=pl.Series([len(row.pairs) for row in rows], dtype=pl.Int64),
        source=pl.Series([row.source for row in rows], dtype=pl.String),
        form=pl.Series([row.form for row in rows], dtype=pl.String),
        words=pl.Series([3 for _ in rows], dtype=pl.Int64),
    )
    questions, answers = ([pair[part] for row in rows for pair in row.pairs] for part in (0, 1))
    return Digests(frame, np.array(questions, np.uint64), np.array(answers, np.uint64))


def side(*rows: Row) -> DigestedMixture:
    """One side of a comparison with these records and the sums of their pairs."""
    about = Side(path="a", kind="mixture", name="a", records=len(rows))
    return DigestedMixture(about, with_pair_sums(digests(rows)), None)
