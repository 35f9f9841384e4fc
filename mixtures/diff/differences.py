"""What differs between records that belong together."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mix665k.mixtures.diff.digests import DigestedMixture, pairs_of

FIELDS = (
    "id",
    "id type",
    "reference id",
    "image",
    "system",
    "image token",
    "prompt",
    "number of pairs",
    "questions",
    "answers",
    "order of pairs",
    "origins",
    "steps",
)
"""What records can differ in, in the order it is told. `id type` is integer or string, `reference id` of mixtures."""
ORDER = "order of pairs"


def find_differences(a: DigestedMixture, b: DigestedMixture, matches: pl.DataFrame, *, keyed: bool) -> pl.DataFrame:
    """The matches with `shared`, how many pairs are equal, and a boolean column for each of `FIELDS`.

    `keyed` says that both are mixtures, whose `id` is the unique one.
    """
    columns = ["id", "key", "integer", "image", "system", "first", "token", "prompts", "pairs", "ordered", "unordered"]
    left, right = (
        contents.records.select(
            *columns, "origins", "steps", question=contents.digests.questions[contents.digests.starts]
        )[matches[name].to_numpy()]
        for name, contents in (("a", a), ("b", b))
    )
    differs = pl.DataFrame({name: left[name] != right[name] for name in left.columns})
    nothing = pl.lit(False)
    texts_equal = ~(pl.col("question") | pl.col("prompts") | pl.col("token"))
    found = differs.select(
        (pl.col("key") if keyed else pl.col("id")).alias("id"),
        (~pl.col("id") & pl.col("integer")).alias("id type"),
        (pl.col("id") if keyed else nothing).alias("reference id"),
        "image",
        "system",
        (pl.col("token") | (pl.col("first") & texts_equal)).alias("image token"),
        pl.col("prompts").alias("prompt"),
        pl.col("pairs").alias("number of pairs"),
        (pl.col("ordered") & ~pl.col("unordered")).alias(ORDER),
        *((pl.col(name) if keyed else nothing).alias(name) for name in ("origins", "steps")),
    )
    others = np.flatnonzero(differs["unordered"].to_numpy())
    shared = left["pairs"].to_numpy().copy()
    details = {name: np.zeros(len(matches), np.bool_) for name in ("questions", "answers")}
    shared[others], details["questions"][others], details["answers"][others] = _details(a, b, matches[others])
    return pl.DataFrame({"shared": shared, **details}).hstack(matches).hstack(found)


def _details(a: DigestedMixture, b: DigestedMixture, matches: pl.DataFrame) -> tuple[Any, Any, Any]:
    """How many pairs are equal, whether questions differ, whether answers do, where the pairs are not the same.

    A pair that only one side has makes a difference in number; questions and answers differ where each side has some
    that the other has not.
    """
    number = len(matches)
    ours, theirs = (_pairs(contents, matches[name].to_numpy()) for name, contents in (("a", a), ("b", b)))
    shared, ours, theirs = _take_shared(ours, theirs, ("question", "answer"))
    differ, left = [], np.zeros(number, np.int64)
    for key in ("question", "answer"):
        _, *rest = _take_shared(ours, theirs, (key,))
        counts = [np.bincount(one["match"].to_numpy(), minlength=number) for one in rest]
        differ.append((counts[0] > 0) & (counts[1] > 0))
        left += counts[0] + counts[1]
    answers_exchanged = left == 0  # the same questions and the same answers, but not to each other
    return np.bincount(shared["match"].to_numpy(), minlength=number), differ[0], differ[1] | answers_exchanged


def _pairs(contents: DigestedMixture, rows: npt.NDArray[Any]) -> pl.DataFrame:
    """The pairs of some records, with the number of the match they belong to."""
    counts = contents.records["pairs"].to_numpy()[rows]
    return pairs_of(contents.digests, rows).with_columns(match=pl.Series(np.repeat(np.arange(len(rows)), counts)))


def _take_shared(ours: pl.DataFrame, theirs: pl.DataFrame, key: tuple[str, ...]) -> list[pl.DataFrame]:
    """The pairs of a match that both have, then those that only one has; equal ones are taken one for one."""
    keys = ["match", *key]
    number = pl.int_range(pl.len()).over(keys).alias("number")
    ours, theirs = ours.with_columns(number), theirs.with_columns(number)
    found = (
        ours.join(theirs, on=[*keys, "number"], how="semi"),
        ours.join(theirs, on=[*keys, "number"], how="anti"),
        theirs.join(ours, on=[*keys, "number"], how="anti"),
    )
    return [pairs.drop("number") for pairs in found]
