"""The small parts of a comparison: questions taken apart, orders, shares, excerpts."""

import numpy as np
import polars as pl
import pytest

from mix665k.mixtures.diff.comparison import percent
from mix665k.mixtures.diff.digests import summed
from mix665k.mixtures.diff.examples import excerpts
from mix665k.mixtures.diff.prompts import TOKEN_PLACES, take_apart
from mix665k.mixtures.diff.summary import out_of_order
from tests.mixtures.small import SHORT

CAPTION = "Provide a one-sentence caption for the provided image."
PROMPTS = (SHORT, CAPTION, "In one word,\nplease.")


@pytest.mark.parametrize(
    ("question", "bare", "prompt", "token"),
    [
        (f"<image>\nWho?\n{SHORT}", "Who?", 1, "before the question"),
        (f"Who?\n{SHORT}\n<image>", "Who?", 1, "after the question"),
        (f"Who <image> is it?\n{SHORT}", "Who  is it?", 1, "elsewhere"),
        ("Who?", "Who?", 0, "none"),
        (f"<image>\n{CAPTION}\nReference OCR token: A, B", "Reference OCR token: A, B", 2, "before the question"),
        (f"<image>\n{CAPTION}", "", 2, "before the question"),
        ("<image>\nWho?\nIn one word,\nplease.", "Who?", 3, "before the question"),
        (f"Who? {SHORT}", f"Who? {SHORT}", 0, "none"),
        (f"Who?\n{SHORT}\n{SHORT}", f"Who?\n{SHORT}", 1, "none"),
    ],
)
def test_a_question_is_taken_apart(question: str, bare: str, prompt: int, token: str) -> None:
    parts = take_apart(pl.Series([question, "other"]), PROMPTS).row(0, named=True)
    assert parts == {"bare": bare, "prompt": prompt, "token": TOKEN_PLACES.index(token)}


@pytest.mark.parametrize(
    ("places", "moved"),
    [([], 0), ([4, 7, 9], 0), ([7, 4, 9], 1), ([9, 7, 4], 2), ([2, 3, 4, 1], 1), ([4, 1, 2, 3], 1)],
)
def test_as_few_records_as_possible_have_moved(places: list[int], moved: int) -> None:
    assert out_of_order(np.array(places, dtype=np.uint32)) == moved


def test_a_share_is_0_or_100_percent_only_where_it_is_none_or_all() -> None:
    shares = [percent(*counts) for counts in ((0, 0), (0, 5), (1, 1_000_000), (1, 3), (999_999, 1_000_000), (5, 5))]
    assert shares == [0, 0, 0.01, 33.33, 99.99, 100]


def test_sums_tell_orders_apart_only_where_they_are_asked_to() -> None:
    values, starts = np.array([1, 2, 2, 1, 0, 1, 2], np.uint64), np.array([0, 2, 4])
    first, second, third = summed(values, starts, ordered=False)
    assert first == second == third
    first, second, third = summed(values, starts, ordered=True)
    assert len({first, second, third}) == 3


def test_a_sum_of_nothing_is_nothing() -> None:
    assert summed(np.zeros(2, np.uint64), np.array([0, 1]), ordered=True).tolist() == [0, 0]
    assert summed(np.zeros(0, np.uint64), np.array([], np.int64), ordered=True).tolist() == []


def test_long_texts_are_shown_from_a_little_before_their_difference() -> None:
    same = "0123456789" * 30
    a, b = excerpts(f"{same}here", f"{same}there")
    assert a == "…" + same[-40:] + "here"
    assert b == "…" + same[-40:] + "there"
    assert excerpts("a" + same, "b" + same) == ("a" + same[:119] + "…", "b" + same[:119] + "…")
    assert excerpts("same", "same and more") == ("same", "same and more")
