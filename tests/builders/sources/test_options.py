"""Multiple-choice options: every copy asks the same, each choice stands once under each letter."""

from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.answers import ask, letter_of, rotated
from tests.builders.building import build

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)
CHOICES = st.lists(st.text(max_size=5), min_size=1, max_size=26)
ORDERS = st.sampled_from(["rotate_left", "rotate_right"])


@pytest.mark.parametrize(
    ("by", "order", "shown"),
    [
        (0, "rotate_left", "abcd"),
        (1, "rotate_left", "bcda"),
        (3, "rotate_left", "dabc"),
        (5, "rotate_left", "bcda"),
        (1, "rotate_right", "dabc"),
        (4, "rotate_right", "abcd"),
        (3, "as_is", "abcd"),
    ],
)
def test_choices_are_turned(by: int, order: Any, shown: str) -> None:
    assert "".join(choice for _, choice in rotated("abcd", by, order=order)) == shown


def test_options_are_laid_out_one_a_line() -> None:
    assert ask("Which?", rotated(["reed", "tin"], 1, order="rotate_left")) == "Which?\nA. tin\nB. reed"


def test_the_answer_is_the_letter_of_the_raw_choice() -> None:
    shown = rotated(["tin", "reed", "tin"], 1, order="rotate_left")

    assert [letter_of(i, shown) for i in range(3)] == ["C", "A", "B"]


@PROPERTY
@given(choices=CHOICES, by=st.integers(0, 60), order=ORDERS)
def test_rotation_is_a_bijection_and_keeps_the_answers_text(choices: list[str], by: int, order: Any) -> None:
    shown = rotated(choices, by, order=order)

    assert sorted(shown) == sorted(enumerate(choices))
    for i, choice in enumerate(choices):
        assert shown[ascii_uppercase.index(letter_of(i, shown))][1] == choice


@PROPERTY
@given(choices=CHOICES, order=ORDERS)
def test_each_choice_stands_once_under_each_letter(choices: list[str], order: Any) -> None:
    copies = [rotated(choices, by, order=order) for by in range(len(choices))]

    for i in range(len(choices)):
        assert {letter_of(i, shown) for shown in copies} == set(ascii_uppercase[: len(choices)])


def test_rotation_to_the_right_is_a_parameter() -> None:
    copies = build("aokvqa", params={"order": "rotate_right"}).conversations[:4]

    assert [copy.pairs[0].question.split("\n")[1] for copy in copies] == [
        "A. water",
        "A. wind",
        "A. steam",
        "A. an ox",
    ]
    assert [copy.pairs[0].answer for copy in copies] == ["D", "A", "B", "C"]
    assert copies[1].history == ("merged 2", "rotate_right by 1")


def test_the_number_of_copies_is_a_parameter() -> None:
    result = build("aokvqa", params={"copies": 1, "order": "as_is"})

    assert [c.id for c in result.conversations] == ["000000000299", "000000000012"]
    assert result.funnel[0].conversations.changes == {"merged": -1}
