"""How much of each source a balanced mixture has."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.balance.draw import length_class
from mix665k.mixtures.balance.shares import amounts, weights_of
from mix665k.schemas.errors import MixtureError, RecipeError
from mix665k.schemas.recipe import Balance

SIZES = {"a": 100, "b": 1000, "c": 10, "gone": 0}


def shares(sizes: dict[str, int] = SIZES, budget: int | None = None, **asked: Any) -> dict[str, int]:
    balance = msgspec.convert({**asked, "budget": {"records": budget}} if budget else asked, Balance)
    return amounts(weights_of(balance, sizes), sizes, budget)


def test_shares_are_equal_by_weight_or_between_equal_and_as_they_are() -> None:
    assert shares(equal=True) == {"a": 10, "b": 10, "c": 10}
    assert shares(weights={"a": 1, "b": 2, "c": 0.05}) == {"a": 100, "b": 200, "c": 5}
    assert shares(budget=111) == {"a": 10, "b": 100, "c": 1}
    assert shares(budget=111, temperature=1) == {"a": 10, "b": 100, "c": 1}
    assert shares({"a": 100, "b": 10_000}, budget=110, temperature=2) == {"a": 10, "b": 100}


def test_what_a_source_does_not_have_the_others_give() -> None:
    assert shares(budget=300, equal=True) == {"c": 10, "a": 100, "b": 190}


def test_a_remainder_goes_to_the_largest_fractions() -> None:
    assert shares({"a": 9, "b": 9, "c": 9}, budget=10, equal=True) == {"a": 4, "b": 3, "c": 3}


def test_a_budget_that_is_too_large_and_a_weight_that_is_missing_are_one_line() -> None:
    with pytest.raises(MixtureError, match="budget of 1,111, the sources have 1,110; lower it"):
        shares(budget=1111)
    with pytest.raises(RecipeError, match="weights: none for 'c'"):
        shares(weights={"a": 1, "b": 1})
    assert amounts(weights_of(Balance(equal=True), SIZES), SIZES, 5000, at_most=True) == {"a": 100, "b": 1000, "c": 10}


@settings(deadline=None, derandomize=True, max_examples=60)
@given(sizes=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50), min_size=1), data=st.data())
def test_amounts_sum_to_the_budget_and_a_larger_one_takes_no_less(sizes: dict[str, int], data: st.DataObject) -> None:
    budget = data.draw(st.integers(1, sum(sizes.values())))
    found = shares(sizes, budget=budget, temperature=3)
    assert sum(found.values()) == budget
    assert all(found[name] <= size for name, size in sizes.items())
    assert found == shares(dict(reversed(sizes.items())), budget=budget, temperature=3)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"equal": True, "temperature": 2},
        {"match": {"mixture": "x"}, "equal": True},
        {"weights": {"a": 0}},
        {"temperature": 0.5},
        {"budget": {}},
        {"budget": {"records": 1, "pairs": 1}},
    ],
)
def test_contradictions_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(asked, Balance)


def test_a_length_class_is_a_quarter_of_a_doubling() -> None:
    assert [length_class(size) for size in (1, 2, 3)] == [1, 2, 3]
    assert length_class(64) == length_class(79) != length_class(80) == length_class(95)
    assert len({length_class(size) for size in range(1, 1025)}) == 3 + 8 * 4 + 1
