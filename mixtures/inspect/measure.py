"""Measuring records: one row of numbers for each, then their sums and spreads by source."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from mix665k.mixtures.inspect.findings import MAX_TOKENS, Answers, Histograms, Numbers, Spread, Tokens
from mix665k.mixtures.storage.parquet import images_of
from mix665k.mixtures.storage.prompt_kinds import prompt_form
from mix665k.mixtures.storage.published_counts import ALL_RECORDS, Audit, audit_source, has_all
from mix665k.mixtures.terminal import ALL
from mix665k.schemas.tokens import TokenCounter

_TOKEN_BATCH = 512
TOKENS_PER_BIN = 32
"""2,048 ends a bin, so that those beyond it hold exactly what is cut."""
WORD_BINS = np.unique(np.round(2 ** (np.arange(160) / 4)).astype(np.int64))
"""Upper ends: 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, …, four between a power of two and the next."""


def measure(rows: pa.RecordBatch, prompts: Sequence[str] = ()) -> pl.DataFrame:
    """A row of numbers for each: `prompt_form` says what `form` is, `images` and `answer_words` are lists.

    The others are `id`, `source`, `pairs` and `words`.
    """
    turns, images = pl.col("conversations"), pl.Series("images", images_of(rows), dtype=pl.List(pl.String))
    words = turns.list.eval(count_words(pl.element().struct.field("value")))
    counted = pl.DataFrame(rows.select(["conversations"])).select(
        images,
        pairs=turns.list.len().cast(pl.Int64) // 2,
        words=words.list.sum().cast(pl.Int64) - images.list.len().cast(pl.Int64),
        answer_words=words.list.gather_every(2, 1),
        form=prompt_form(turns.list.first().struct.field("value"), prompts),
    )
    # apart, because a frame made of a batch keeps all of the batch in memory
    return pl.DataFrame(rows.select(["id", "source"])).hstack(counted)


def count_words(text: pl.Expr) -> pl.Expr:
    """How many words a text has, split at white space."""
    return text.str.count_matches(r"\S+")


def measure_tokens(rows: Sequence[dict[str, Any]], counter: TokenCounter) -> pl.DataFrame:
    """`tokens` and `answers_cut` of each row."""
    ends: list[list[int]] = []
    for start in range(0, len(rows), _TOKEN_BATCH):
        batch = rows[start : start + _TOKEN_BATCH]
        turns = [[turn["value"] for turn in row["conversations"]] for row in batch]
        pairs = [list(zip(values[::2], values[1::2], strict=True)) for values in turns]
        ends += counter.ends(pairs, systems=[row.get("system") for row in batch])
    cut = [sum(end > MAX_TOKENS for end in record) for record in ends]
    schema = {"tokens": pl.Int64, "answers_cut": pl.Int64}
    return pl.DataFrame({"tokens": [record[-1] for record in ends], "answers_cut": cut}, schema=schema)


def numbers(frame: pl.DataFrame, name: str, *, answers: Answers | None = None) -> Numbers:
    """The sums and spreads of one source's records."""
    forms = frame.group_by("form").len().sort("form")
    return Numbers(
        name=name,
        records=frame.height,
        audit=audit_source(name, frame.height),
        images=frame["images"].explode().drop_nulls().n_unique(),
        text_only=int((frame["images"].list.len() == 0).sum()),
        pairs=int(frame["pairs"].sum()),
        pairs_per_record=spread_of(frame["pairs"]),
        words_per_record=spread_of(frame["words"]),
        words_per_answer=spread_of(frame["answer_words"].explode().drop_nulls()),
        tokens=_tokens(frame),
        histograms=_histograms(frame),
        prompt_forms=dict(forms.rows()),
        answers=answers,
        integer_ids=int(frame["integer_id"].sum()) if "integer_id" in frame.columns else 0,
    )


def total(frame: pl.DataFrame, names: set[str]) -> Numbers:
    """The same of all sources together; audited where they are those of the published file."""
    found = numbers(frame, ALL)
    found.audit = Audit(ALL_RECORDS, frame.height - ALL_RECORDS) if has_all(names) else None
    return found


def count_image_names(frame: pl.DataFrame) -> int:
    """Distinct names of image files, whatever their folders."""
    return frame["images"].explode().drop_nulls().str.extract("([^/]*)$").n_unique()


def spread_of(values: pl.Series) -> Spread | None:
    """How whole numbers are spread, None where there are none."""
    if values.is_empty():
        return None
    p50, p95, most = (int(values.quantile(q, interpolation="nearest") or 0) for q in (0.5, 0.95, 1.0))
    return Spread(mean=round(float(values.to_numpy().mean()), 2), p50=p50, p95=p95, max=most)


def _tokens(frame: pl.DataFrame) -> Tokens | None:
    if "tokens" not in frame.columns or (spread := spread_of(frame["tokens"])) is None:
        return None
    return Tokens(spread, int((frame["tokens"] > MAX_TOKENS).sum()), int(frame["answers_cut"].sum()))


def _histograms(frame: pl.DataFrame) -> Histograms:
    words = WORD_BINS[np.searchsorted(WORD_BINS, frame["words"].to_numpy())]
    tokens = None
    if "tokens" in frame.columns:
        tokens = _counts(-(-frame["tokens"].to_numpy() // TOKENS_PER_BIN) * TOKENS_PER_BIN)
    return Histograms(_counts(frame["pairs"].to_numpy()), _counts(words), tokens)


def _counts(values: Any) -> dict[int, int]:
    return dict(zip(*(found.tolist() for found in np.unique(values, return_counts=True)), strict=True))
