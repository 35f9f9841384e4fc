"""What differs between two records that belong together, field by field."""

from typing import Any

import polars as pl
import pytest

from mix665k.mixtures.diff.differences import FIELDS, find_differences
from mix665k.mixtures.diff.digests import mixed, pairs_of, recognise_prompts
from tests.mixtures.diff.digested import Row, digests, side

BOTH = ((10, 20), (11, 21))


def differing(a: Row, b: Row, *, keyed: bool = False) -> tuple[list[str], int]:
    """The fields that differ, and how many pairs are equal."""
    matches = pl.DataFrame({"a": [0], "b": [0]}, schema={"a": pl.UInt32, "b": pl.UInt32})
    found = find_differences(side(a), side(b), matches, keyed=keyed).row(0, named=True)
    return [name for name in FIELDS if found[name]], found["shared"]


@pytest.mark.parametrize(
    ("change", "of_files", "of_mixtures"),
    [
        ({}, [], []),
        ({"id": 2}, ["id"], ["reference id"]),
        ({"key": 2}, [], ["id"]),
        ({"integer": True}, ["id type"], ["id type"]),
        ({"id": 2, "integer": True}, ["id"], ["reference id"]),
        ({"image": 2}, ["image"], ["image"]),
        ({"token": 2}, ["image token"], ["image token"]),
        ({"first": 99}, ["image token"], ["image token"]),
        ({"first": 99, "prompts": 5}, ["prompt"], ["prompt"]),
        ({"first": 99, "prompts": 5, "token": 0}, ["image token", "prompt"], ["image token", "prompt"]),
        ({"origins": 2}, [], ["origins"]),
        ({"steps": 2}, [], ["steps"]),
    ],
)
def test_a_change_of_one_field_is_a_difference_in_this_field_alone(
    change: dict[str, Any], of_files: list[str], of_mixtures: list[str]
) -> None:
    one = Row(pairs=BOTH)
    assert differing(one, one._replace(**change)) == (of_files, 2)
    assert differing(one, one._replace(**change), keyed=True) == (of_mixtures, 2)


@pytest.mark.parametrize(
    ("a", "b", "fields", "shared"),
    [
        (((10, 20), (11, 21)), ((11, 21), (10, 20)), ["order of pairs"], 2),
        (((10, 20), (11, 21)), ((10, 20), (11, 29)), ["answers"], 1),
        (((10, 20), (11, 21)), ((10, 20), (19, 21)), ["questions"], 1),
        (((10, 20), (11, 21)), ((10, 20), (19, 29)), ["questions", "answers"], 1),
        (((10, 20), (11, 21)), ((10, 21), (11, 20)), ["answers"], 0),
        (((10, 20), (11, 21)), ((10, 20),), ["number of pairs"], 1),
        (((10, 20), (10, 20)), ((10, 20),), ["number of pairs"], 1),
        (((10, 20), (10, 20)), ((10, 20), (10, 21)), ["answers"], 1),
        (((10, 20), (10, 20), (11, 21)), ((10, 20), (11, 21), (11, 21)), ["questions", "answers"], 2),
        (((10, 20), (11, 21)), ((10, 29),), ["number of pairs", "answers"], 0),
        (((10, 20), (11, 20)), ((10, 20), (12, 20)), ["questions"], 1),
    ],
)
def test_pairs_are_compared_as_multisets(
    a: tuple[tuple[int, int], ...], b: tuple[tuple[int, int], ...], fields: list[str], shared: int
) -> None:
    for one, other in ((a, b), (b, a)):
        assert differing(Row(pairs=one, first=1), Row(pairs=other, first=1)) == (fields, shared)


def test_each_match_has_its_own_differences() -> None:
    a = side(Row(id=1, pairs=BOTH), Row(id=2), Row(id=3, pairs=((10, 20), (12, 22), (13, 23))))
    b = side(Row(id=3, pairs=((10, 20), (12, 29), (13, 23))), Row(id=1, pairs=BOTH), Row(id=2, pairs=((19, 20),)))
    matches = pl.DataFrame({"a": [0, 1, 2], "b": [1, 2, 0]}, schema={"a": pl.UInt32, "b": pl.UInt32})
    found = find_differences(a, b, matches, keyed=False)
    assert found["shared"].to_list() == [2, 0, 2]
    assert found["questions"].to_list() == [False, True, False]
    assert found["answers"].to_list() == [False, False, True]


def test_the_pairs_of_some_records_come_in_the_order_asked_for() -> None:
    of = side(Row(pairs=BOTH), Row(pairs=((12, 22),)), Row(pairs=((13, 23), (14, 24), (15, 25))))
    rows = pl.Series([2, 0]).to_numpy()
    expected = [(2, 13, 23), (2, 14, 24), (2, 15, 25), (0, 10, 20), (0, 11, 21)]
    assert pairs_of(of.digests, rows).rows() == expected
    assert pairs_of(of.digests, rows[:0]).rows() == []


STEM, LAST, WHOLE = 30, 31, 32
"""A first question of two lines: without its last line, this line, and both."""
TWO_LINES = Row(pairs=((WHOLE, 20), (11, 21)), stem=STEM, last=LAST)


def test_a_last_line_is_taken_for_a_prompt_where_the_other_side_asks_the_rest_about_the_image() -> None:
    found = recognise_prompts(digests([Row(id=7), TWO_LINES]), digests([Row(pairs=((STEM, 20),))]))
    assert found.questions.tolist() == [10, STEM, 11]
    assert found.records["form"].to_list() == ["none", "another prompt"]
    last = int(mixed(digests([Row(pairs=((LAST, 0),))]).questions)[0])
    assert found.records["prompts"].to_list() == [0, last]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(TWO_LINES, [Row(pairs=((STEM, 20),), image=2)], id="asked about another image"),
        pytest.param(TWO_LINES, [Row(pairs=((77, 20), (STEM, 20)))], id="asked later in a record"),
        pytest.param(TWO_LINES, [Row(pairs=((STEM, 20),)), TWO_LINES], id="there as it stands too"),
        pytest.param(TWO_LINES._replace(image=0), [Row(pairs=((STEM, 20),), image=0)], id="text only"),
        pytest.param(TWO_LINES._replace(stem=0), [Row(pairs=((0, 20),))], id="one line"),
    ],
)
def test_a_last_line_is_no_prompt_where_the_other_side_does_not_say_so(ours: Row, theirs: list[Row]) -> None:
    found = recognise_prompts(digests([ours]), digests(theirs))
    assert found.questions.tolist() == [WHOLE, 11]
    assert found.records["form"].to_list() == ["none"]
    assert found.records["prompts"].to_list() == [0]
