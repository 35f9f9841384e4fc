"""Measuring records: one row of numbers for each, then their sums and spreads by source."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from builders.tokens import Counter
from mixtures.forms import prompt_form
from mixtures.inspection import MAX_TOKENS, Numbers, Spread, Tokens
from mixtures.paper import ALL_RECORDS, Audit, audit_source, has_all

ALL = "all"
_TOKEN_BATCH = 512


def measure(rows: pa.RecordBatch) -> pl.DataFrame:
    """`id`, `source`, `image`, `pairs`, `words` and `form` of each row."""
    turns, has_image = pl.col("conversations"), pl.col("image").is_not_null().cast(pl.Int64)
    words = turns.list.eval(pl.element().struct.field("value").str.count_matches(r"\S+")).list.sum()
    counted = pl.DataFrame(rows.select(["image", "conversations"])).select(
        pairs=turns.list.len().cast(pl.Int64) // 2,
        words=words.cast(pl.Int64) - has_image,
        form=prompt_form(turns.list.first().struct.field("value")),
    )
    # apart, because a frame made of a batch keeps all of the batch in memory
    return pl.DataFrame(rows.select(["id", "source", "image"])).hstack(counted)


def measure_tokens(rows: Sequence[dict[str, Any]], counter: Counter) -> pl.DataFrame:
    """`tokens` and `answers_cut` of each row."""
    ends: list[list[int]] = []
    for start in range(0, len(rows), _TOKEN_BATCH):
        turns = [[turn["value"] for turn in row["conversations"]] for row in rows[start : start + _TOKEN_BATCH]]
        ends += counter.count([list(zip(values[::2], values[1::2], strict=True)) for values in turns])
    cut = [sum(end > MAX_TOKENS for end in record) for record in ends]
    schema = {"tokens": pl.Int64, "answers_cut": pl.Int64}
    return pl.DataFrame({"tokens": [record[-1] for record in ends], "answers_cut": cut}, schema=schema)


def numbers(frame: pl.DataFrame, name: str) -> Numbers:
    """The sums and spreads of one source's records."""
    forms = frame.group_by("form").len().sort("form")
    return Numbers(
        name=name,
        records=frame.height,
        audit=audit_source(name, frame.height),
        images=frame["image"].drop_nulls().n_unique(),
        pairs=int(frame["pairs"].sum()),
        pairs_per_record=_spread(frame["pairs"]),
        words_per_record=_spread(frame["words"]),
        tokens=_tokens(frame),
        prompt_forms=dict(forms.rows()),
        integer_ids=int(frame["integer_id"].sum()) if "integer_id" in frame.columns else 0,
    )


def total(frame: pl.DataFrame, names: set[str]) -> Numbers:
    """The same of all sources together; audited where they are those of the published file."""
    found = numbers(frame, ALL)
    found.audit = Audit(ALL_RECORDS, frame.height - ALL_RECORDS) if has_all(names) else None
    return found


def count_image_names(frame: pl.DataFrame) -> int:
    """Distinct names of image files, whatever their folders."""
    return frame["image"].drop_nulls().str.extract("([^/]*)$").n_unique()


def _spread(values: pl.Series) -> Spread | None:
    if values.is_empty():
        return None
    p50, p95, most = (int(values.quantile(q, interpolation="nearest") or 0) for q in (0.5, 0.95, 1.0))
    return Spread(round(float(values.to_numpy().mean()), 2), p50, p95, most)


def _tokens(frame: pl.DataFrame) -> Tokens | None:
    if "tokens" not in frame.columns or (spread := _spread(frame["tokens"])) is None:
        return None
    return Tokens(spread, int((frame["tokens"] > MAX_TOKENS).sum()), int(frame["answers_cut"].sum()))
