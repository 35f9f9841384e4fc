"""Comparing drawn records: what is missing on one side is told, and only that."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.storage.parquet import from_dicts
from mix665k.mixtures.verify.sample import ABSENT, Difference, differences, sample_faults

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def drawn(ids: set[str], count: int) -> list[dict[str, Any]]:
    sampler = Sampler(count)
    for identifier in ids:
        sampler.offer("one", identifier, {"id": identifier})
    return [one.record for one in sampler.drawn("one")]


@settings(deadline=None, derandomize=True)
@given(st.sets(st.text(max_size=2)), st.sets(st.text(max_size=2)), st.integers(0, 5))
def test_only_ids_that_one_side_lacks_are_told(here: set[str], there: set[str], count: int) -> None:
    lines = list(sample_faults(drawn(here, count), drawn(there, count), count))
    allowed = {f"{one}: not among the records built again" for one in here - there}
    allowed |= {f"{one}: built again, but not in the mixture" for one in there - here}
    assert set(lines) <= allowed


@settings(deadline=None, derandomize=True)
@given(st.sets(st.text(max_size=2)), st.sets(st.text(max_size=2)))
def test_a_sample_of_all_tells_every_id_that_one_side_lacks(here: set[str], there: set[str]) -> None:
    count = len(here | there)
    assert len(list(sample_faults(drawn(here, count), drawn(there, count), count))) == len(here ^ there)


@settings(deadline=None, derandomize=True)
@given(st.sets(st.text(max_size=2), max_size=9), st.integers(0, 5), st.integers(1, 4))
def test_a_batch_gives_the_same_sample_as_its_rows(ids: set[str], count: int, size: int) -> None:
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    none = {"image": None, "more_images": None, "system": None}
    about = {"source": "one", **none, "conversations": turns, "origins": ["0"], "steps": []}
    rows: list[dict[str, Any]] = [{"id": name, **about, "reference_id": name} for name in sorted(ids)]
    by_rows, by_batches = Sampler(count), Sampler(count)
    for row in rows:
        by_rows.offer("one", row["id"], row)
    for start in range(0, len(rows), size):
        by_batches.offer_rows("one", from_dicts(rows[start : start + size]))
    assert by_batches.drawn("one") == by_rows.drawn("one")


@settings(deadline=None, derandomize=True)
@given(VALUES, VALUES)
def test_values_without_differences_are_equal(one: Any, other: Any) -> None:
    assert (not list(differences(one, other))) == (one == other)


def test_differences_name_the_innermost_place() -> None:
    found = {"a": [{"b": 1}, {"b": 2}], "c": "x"}
    expected = {"a": [{"b": 1}, {"b": 3}, {"b": 4}], "d": None}
    assert list(differences(found, expected)) == [
        Difference("a[1].b", 2, 3),
        Difference("a[2]", ABSENT, {"b": 4}),
        Difference("c", "x", ABSENT),
        Difference("d", ABSENT, None),
    ]


def test_long_texts_are_shown_where_they_part() -> None:
    told = Difference("value", "a" * 100 + "b", "a" * 100 + "c" * 90).in_words()
    assert told == f"value: …'{'a' * 20}b', rebuilt …'{'a' * 20}{'c' * 40}'…"
