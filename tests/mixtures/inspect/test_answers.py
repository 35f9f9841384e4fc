"""Answers and histograms: counted exactly, whatever the batches."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.inspect.answers import AnswerCounter
from mix665k.mixtures.inspect.findings import MAX_TOKENS, Answers, Spread
from mix665k.mixtures.inspect.measure import TOKENS_PER_BIN, WORD_BINS
from mix665k.mixtures.storage.parquet import from_dicts
from tests.mixtures.small import SHORT, look, record, run, written


def row(source: str, *answers: str) -> dict[str, Any]:
    """A row of a mixture that answers so."""
    turns = [{"from": role, "value": text} for answer in answers for role, text in (("human", "q"), ("gpt", answer))]
    about = {"id": f"{source}/1", "source": source, "image": None, "reference_id": "1"}
    return {**about, "conversations": turns, "origins": ["1"] * len(answers), "steps": []}


def counted(*batches: list[dict[str, Any]]) -> AnswerCounter:
    """What a counter holds after these batches."""
    counter = AnswerCounter()
    for batch in batches:
        counter.add(from_dicts(batch), pl.Series([one["source"] for one in batch], dtype=pl.String))
    return counter


def test_answers_are_counted_by_source_over_all_batches() -> None:
    long = "w" * 101
    counter = counted(
        [row("a", "Yes", "Red", long), row("b", "B"), row("a", "yes.")], [row("a", "No", "Red")], [row("b", "A")], []
    )
    letters = {"A": 0, "B": 0, "C": 0, "D": 0}
    common = {"Red": 2, "No": 1, "Yes": 1, "yes.": 1}
    assert counter.found("a") == Answers(common, distinct=4, longer=1, yes=2, no=1, letters=letters)
    found = counter.found("b")
    assert found
    assert found.letters == letters | {"A": 1, "B": 1}
    assert counter.found("a") is None


def test_ten_answers_are_told_the_most_common_first_and_ties_by_text() -> None:
    found = counted([row("a", *"zyxwvutsrqpo", "o")]).found("a")
    assert found
    assert (list(found.common), found.distinct) == (list("opqrstuvwx"), 12)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from(["x", "Yes", "y" * 200]), min_size=1))))
)
def test_batches_do_not_matter(batches: list[list[tuple[str, list[str]]]]) -> None:
    answers = [[row(source, *texts) for source, texts in batch] for batch in batches]
    split, whole = counted(*answers), counted([one for batch in answers for one in batch])
    for source in "ab":
        expected = Counter(text for batch in batches for name, texts in batch if name == source for text in texts)
        found = split.found(source)
        assert found == whole.found(source)
        if found is None:
            assert not expected
        else:
            assert found.common | {"y" * 200: found.longer} == expected | {"y" * 200: expected["y" * 200]}


def test_an_inspection_tells_answers_their_words_and_histograms(tmp_path: Path) -> None:
    records = [
        record("1", "gqa/images/1.jpg", f"<image>\nIs it?\n{SHORT}", "Yes", "And?", "A red one."),
        record("2", "gqa/images/2.jpg", f"<image>\nIs it?\n{SHORT}", "Yes"),
        record("3", None, "a " * 3000, "b"),
    ]
    found = look(written(tmp_path, records), tokenizer="tiny")
    gqa, chat = found.sources
    assert gqa.answers
    assert gqa.answers.common == {"Yes": 2, "A red one.": 1}
    assert gqa.words_per_answer == Spread(mean=1.67, p50=1, p95=3, max=3)
    assert (gqa.text_only, chat.text_only, found.total.text_only) == (0, 1, 1)
    assert (gqa.histograms.pairs, found.total.histograms.pairs) == ({1: 1, 2: 1}, {1: 2, 2: 1})
    assert chat.histograms.words == {3444: 1}
    assert gqa.histograms.tokens
    assert sum(gqa.histograms.tokens.values()) == 2
    assert all(end % TOKENS_PER_BIN == 0 for end in gqa.histograms.tokens)
    assert found.total.answers is None


def test_the_bins_end_where_training_cuts() -> None:
    assert MAX_TOKENS % TOKENS_PER_BIN == 0
    assert WORD_BINS.tolist()[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16]
    assert MAX_TOKENS in WORD_BINS
    assert np.all(np.diff(WORD_BINS) > 0)


@pytest.mark.parametrize("name", ["gqa", "mine"])
def test_a_mixture_tells_the_funnel_of_its_manifest(small: Path, name: str) -> None:
    document = json.loads(run("inspect", small, "--format", "json", "--source", name).stdout)
    [told] = document["sources"]
    manifest = json.loads((small / "manifest.json").read_text())
    assert told["funnel"] == next(entry["funnel"] for entry in manifest["sources"] if entry["name"] == name)
    assert told["answers"]["distinct"] > 0
