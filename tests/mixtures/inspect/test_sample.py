"""A sample is what everyone would draw, whoever offers the records and how."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.inspect.findings import Sampled
from mix665k.mixtures.inspect.sample import Sampler, first_of_each, rank_of
from mix665k.mixtures.storage.parquet import from_dicts, to_dicts

ABOUT: dict[str, Any] = {
    "source": "x",
    "image": None,
    "conversations": [],
    "origins": [],
    "steps": [],
    "reference_id": "1",
}


def drawn(sampler: Sampler, source: str = "x") -> list[str]:
    return [one.record["id"] for one in sampler.drawn(source)]


def test_the_lowest_ranks_are_drawn_lowest_first() -> None:
    names = [f"x/{k}" for k in range(50)]
    sampler = Sampler(5)
    for name in names:
        sampler.offer("x", name, {"id": name})
    assert drawn(sampler) == sorted(names, key=rank_of)[:5]


def test_the_draw_stays_the_same_from_version_to_version() -> None:
    assert [rank_of(name) for name in ("x/1", "gqa/2327515#0")] == [16001424672122573458, 16635753780492162249]
    sampler = Sampler(3)
    for k in range(100):
        sampler.offer("x", f"x/{k}", {"id": k})
    assert [one.record["id"] for one in sampler.drawn("x")] == [89, 16, 81]


@settings(deadline=None)
@given(st.sets(st.integers(0, 200), min_size=1, max_size=40), st.integers(0, 8), st.integers(1, 9))
def test_rows_of_batches_are_drawn_as_if_offered_one_by_one(numbers: set[int], count: int, size: int) -> None:
    rows = [ABOUT | {"id": f"x/{number}"} for number in sorted(numbers)]
    by_batch, by_row = Sampler(count), Sampler(count)
    for start in range(0, len(rows), size):
        by_batch.offer_rows("x", from_dicts(rows[start : start + size]))
    for row in to_dicts(from_dicts(rows)):
        by_row.offer("x", row["id"], row)
    assert by_batch.drawn("x") == by_row.drawn("x")


def test_sources_do_not_share_a_sample() -> None:
    sampler = Sampler(1)
    for source in ("x", "y"):
        for k in range(5):
            sampler.offer(source, f"{source}/{k}", {"id": f"{source}/{k}"})
    assert (len(drawn(sampler)), len(drawn(sampler, "y")), drawn(sampler, "z")) == (1, 1, [])


def test_nothing_is_kept_where_nothing_is_asked_for() -> None:
    sampler = Sampler(0)
    sampler.offer("x", "x/1", {"id": "x/1"})
    sampler.offer_rows("x", from_dicts([ABOUT | {"id": "x/1"}]))
    assert sampler.drawn("x") == []


def test_two_records_of_one_key_are_both_drawn() -> None:
    sampler = Sampler(2)
    for number in range(2):
        sampler.offer("x", "x/1", {"id": number})
    assert len(drawn(sampler)) == 2


def test_the_first_of_each_source_are_those_of_a_smaller_sample() -> None:
    large, small = Sampler(4), Sampler(2)
    for sampler in (large, small):
        for source in ("x", "y"):
            for k in range(9):
                sampler.offer(source, f"{source}/{k}", {"id": k})
    everything: list[Sampled] = [*large.drawn("x"), *large.drawn("y")]
    assert first_of_each(everything, 2) == [*small.drawn("x"), *small.drawn("y")]
    assert first_of_each(everything, 0) == []
