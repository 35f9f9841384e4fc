"""Casing, white space and final periods of short texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.schemas.sentences import fold, upper_first, with_period


@pytest.mark.parametrize(
    ("text", "upper"),
    [("yes", "Yes"), ("Yes", "Yes"), ("iPhone X", "IPhone X"), ("été", "Été"), ("3 boats", "3 boats"), ("", "")],
)
def test_only_the_first_letter_is_upper_cased(text: str, upper: str) -> None:
    assert upper_first(text) == upper


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  a  red\n mill ", "a red mill"),
        ("a\u00a0mill", "a mill"),
        ("a\tmill\r\n", "a mill"),
        ("mill", "mill"),
        (" \n", ""),
    ],
)
def test_white_space_is_folded_to_single_spaces(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "closed"),
    [("a mill", "a mill."), ("a mill.", "a mill."), ("stop!", "stop!"), ("why?", "why?"), ("so…", "so….")],
)
def test_a_text_gets_a_period_unless_it_ends_in_one_of_three_marks(text: str, closed: str) -> None:
    assert with_period(text) == closed


@given(st.text())
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert with_period(with_period(text)) == with_period(text)


@given(st.text())
def test_folding_loses_white_space_only(text: str) -> None:
    assert "".join(fold(text).split()) == "".join(text.split())
    assert upper_first(text)[-1:] == text[-1:] or len(text) == 1
