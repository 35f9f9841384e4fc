"""The numbers of each record, and their sums, spreads and bins."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.inspect.findings import MAX_TOKENS, Spread
from mix665k.mixtures.inspect.measure import (
    TOKENS_PER_BIN,
    WORD_BINS,
    count_image_names,
    measure,
    measure_tokens,
    numbers,
    spread_of,
    total,
)
from mix665k.mixtures.storage.parquet import from_dicts
from mix665k.mixtures.storage.published_counts import RECORDS
from mix665k.schemas.tokens import TokenCounter


def row(image: str | None, *texts: str, source: str = "gqa") -> dict[str, Any]:
    turns = [{"from": "gpt" if k % 2 else "human", "value": text} for k, text in enumerate(texts)]
    about: dict[str, Any] = {"id": f"{source}/1", "source": source, "image": image, "reference_id": "1", "steps": []}
    return about | {"conversations": turns, "origins": ["1"] * (len(turns) // 2)}


def test_words_are_split_at_white_space_and_the_image_token_is_none() -> None:
    frame = measure(from_dicts([row("a.jpg", "<image>\nIs it  dry?", "Yes, it is."), row(None, "Hi", "Ho ho\tho")]))
    assert frame["words"].to_list() == [6, 4]
    assert frame["answer_words"].to_list() == [[3], [3]]
    assert frame["pairs"].to_list() == [1, 1]


def test_an_image_token_at_the_end_of_a_word_counts_no_word_more() -> None:
    [words] = measure(from_dicts([row("a.jpg", "What is this?\n<image>", "A heron")]))["words"]
    assert words == 5


def test_every_answer_is_measured_for_itself() -> None:
    frame = measure(from_dicts([row(None, "q", "one", "q", "one two", "q", "one two three")]))
    assert frame["answer_words"].to_list() == [[1, 2, 3]]
    assert numbers(frame, "x").words_per_answer == Spread(mean=2.0, p50=2, p95=3, max=3)


def test_no_record_has_no_spread_and_no_bin() -> None:
    found = numbers(measure(from_dicts([])), "x")
    assert (found.records, found.images, found.pairs, found.pairs_per_record, found.tokens) == (0, 0, 0, None, None)
    assert (found.histograms.pairs, found.histograms.words, found.histograms.tokens) == ({}, {}, None)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_percentiles_are_values_that_occur(values: list[int]) -> None:
    spread = spread_of(pl.Series(values))
    assert spread
    assert {spread.p50, spread.p95, spread.max} <= set(values)
    assert spread.p50 <= spread.p95 <= spread.max == max(values)
    assert spread.mean == pytest.approx(sum(values) / len(values), abs=0.006)


@settings(deadline=None)
@given(st.integers(1, 10**8))
def test_a_number_of_words_lies_in_the_bin_of_its_upper_end(words: int) -> None:
    k = int(np.searchsorted(WORD_BINS, words))
    assert WORD_BINS[k - 1] < words <= WORD_BINS[k] or (k == 0 and words == 1)


def test_bins_of_tokens_end_at_their_upper_end() -> None:
    frame = measure(from_dicts([row(None, "q", "a")] * 3)).with_columns(
        tokens=pl.Series([TOKENS_PER_BIN, TOKENS_PER_BIN + 1, MAX_TOKENS + 1]), answers_cut=pl.Series([0, 0, 2])
    )
    found = numbers(frame, "x")
    assert found.histograms.tokens == {32: 1, 64: 1, MAX_TOKENS + 32: 1}
    assert found.tokens
    assert (found.tokens.over, found.tokens.answers_cut) == (1, 2)


def test_tokens_are_those_of_the_whole_conversation_and_answers_that_end_late_are_cut() -> None:
    rows = [row(None, "q", "a"), row(None, "q", "a", "q", "word " * 3000, "q", "a")]
    frame = measure_tokens(rows, TokenCounter("tiny", "v1"))
    short, long = frame["tokens"]
    assert short < 64 < MAX_TOKENS < long
    assert frame["answers_cut"].to_list() == [0, 2]
    assert measure_tokens([], TokenCounter("tiny", "v1")).shape == (0, 2)


def test_images_are_counted_once_by_path_and_once_by_name() -> None:
    paths = ["gqa/images/1.jpg", "gqa/images/1.jpg", "vg/VG_100K/1.jpg", "gqa/images/2.jpg", None]
    frame = measure(from_dicts([row(path, "<image>q" if path else "q", "a") for path in paths]))
    assert (numbers(frame, "x").images, numbers(frame, "x").text_only, count_image_names(frame)) == (3, 1, 2)


def test_the_whole_is_audited_only_where_all_sources_are_there() -> None:
    frame = measure(from_dicts([row(None, "q", "a")]))
    complete = total(frame, set(RECORDS))
    assert complete.audit
    assert complete.audit.difference == 1 - 665_298
    assert total(frame, set(RECORDS) - {"gqa"}).audit is None
    assert total(frame, {*RECORDS, "mine"}).audit is None
