"""The plan of an epoch: who shares a batch with whom, and when."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.schemas.errors import UserError
from mix665k.trainer.batching.types import EMPTY, Layout, measure
from tests.trainer.batching.planning import Mixture, examples_of, layouts, mixtures, plan, real, seeds, windows

IMAGES = [(length, True) for length in (10, 20, 30, 40, 50, 60)]
TEXTS = [(length, False) for length in (5, 15, 25, 35)]


def test_examples_of_like_length_and_modality_share_a_batch() -> None:
    steps = plan([*IMAGES, *TEXTS], (2, 1, 1)).steps
    assert sorted(map(real, steps)) == [[1, 0], [3, 2], [5, 4], [7, 6], [9, 8]]


def test_accumulation_takes_the_longest_first_and_equal_ranks_together() -> None:
    assert plan([(length, True) for length in range(1, 9)], (2, 2, 2)).steps.tolist() == [
        [[[7, 6], [3, 2]], [[5, 4], [1, 0]]]
    ]


def test_a_plan_is_the_same_on_every_machine() -> None:
    mixture = [(1 + 37 * number % 101, number % 3 > 0) for number in range(12)]
    assert plan(mixture, (1, 1, 2), window=2).steps.reshape(-1, 2).tolist() == [
        [8, 2],
        [3, 0],
        [5, 10],
        [1, 11],
        [7, 4],
        [9, 6],
    ]


def test_short_spreads_what_is_left_over_the_ranks() -> None:
    left = plan([(9, True)] * 5, (2, 2, 2)).steps[0]
    assert (left != EMPTY).sum(axis=2).tolist() == [[2, 1], [1, 1]]
    assert sorted(real(left)) == [0, 1, 2, 3, 4]


def test_short_gives_each_rank_its_first_before_any_gets_a_second() -> None:
    left = plan([(9, True)] * 3, (3, 4, 2)).steps[0]
    assert (left != EMPTY).sum(axis=(1, 2)).tolist() == [1, 1, 1]
    assert (left[:, 0] != EMPTY).sum() == 3


def test_drop_leaves_out_what_fills_no_batch_and_says_what() -> None:
    planned = plan([*IMAGES, *TEXTS], (1, 1, 4), remainder="drop")
    assert len(planned.steps) == 2
    assert len(planned.dropped) == 2
    assert sorted([*real(planned.steps), *planned.dropped.tolist()]) == list(range(10))


def test_repeat_fills_up_with_examples_of_the_same_modality_and_says_which() -> None:
    planned = plan([*IMAGES, *TEXTS[:3]], (1, 1, 4), remainder="repeat")
    assert EMPTY not in planned.steps
    assert sorted(real(planned.steps)) == sorted([*range(9), *planned.repeated.tolist()])
    assert sum(example < 6 for example in planned.repeated) == 2
    assert len(planned.repeated) == 3


def test_repeat_goes_round_when_examples_are_fewer_than_places() -> None:
    assert sorted(real(plan([(5, True), (6, True)], (2, 1, 4), remainder="repeat").steps)) == [0] * 4 + [1] * 4


def test_no_example_is_an_error() -> None:
    with pytest.raises(UserError, match="no example to train on"):
        plan([], (1, 1, 4))


def test_dropping_everything_is_an_error() -> None:
    with pytest.raises(
        UserError, match="no complete global batch of 16 among 10 examples, and the remainder is 'drop'"
    ):
        plan([*IMAGES, *TEXTS], (2, 2, 4), remainder="drop")


@given(mixture=mixtures, layout=layouts, window=windows, seed=seeds)
def test_short_gives_every_example_once(mixture: Mixture, layout: Layout, window: int, seed: int) -> None:
    planned = plan(mixture, layout, window=window, seed=seed)
    assert sorted(real(planned.steps)) == list(range(len(mixture)))
    assert planned.steps.shape[1:] == tuple(layout)


@given(
    mixture=mixtures, layout=layouts, window=windows, remainder=st.sampled_from(["short", "drop", "repeat"]), seed=seeds
)
def test_no_example_is_lost_unnamed_and_no_batch_mixed(
    mixture: Mixture, layout: Layout, window: int, remainder: str, seed: int
) -> None:
    try:
        planned = plan(mixture, layout, window=window, remainder=remainder, seed=seed)  # type: ignore[arg-type]
    except UserError:
        assert remainder == "drop"
        return
    held = real(planned.steps) + planned.dropped.tolist()
    assert sorted(held) == sorted([*range(len(mixture)), *planned.repeated.tolist()])
    for step in planned.steps:
        assert len({mixture[example][1] for example in real(step)}) == 1


@given(mixture=mixtures, layout=layouts, window=windows)
def test_places_are_empty_only_in_one_batch_of_each_modality(mixture: Mixture, layout: Layout, window: int) -> None:
    steps = plan(mixture, layout, window=window).steps
    short = [step for step in steps if EMPTY in step]
    assert len({mixture[real(step)[0]][1] for step in short}) == len(short)
    for step in short:
        filled = (step != EMPTY).sum(axis=2)
        assert filled.max() - filled.min() <= 1
        assert len(real(step)) < layout.ranks or filled.sum(axis=1).min() >= 1


@given(mixture=mixtures, layout=layouts, window=windows, seed=seeds)
def test_the_first_step_is_the_costliest(mixture: Mixture, layout: Layout, window: int, seed: int) -> None:
    steps = plan(mixture, layout, window=window, remainder="repeat", seed=seed).steps
    largest = [max(mixture[example][0] for example in real(step)) for step in steps]
    assert largest[0] == max(largest)


def test_a_short_batch_of_the_longest_is_not_the_costliest() -> None:
    steps = plan([(100, False), *[(99, True)] * 40], (2, 1, 4)).steps
    assert len(real(steps[0])) == 8


@given(seed=seeds)
def test_images_then_real_tokens_decide_among_equally_long_batches(seed: int) -> None:
    mixture = [(9, False), (9, False), (9, True), (1, True), (9, True), (2, True)]
    in_pairs = plan(mixture, (1, 1, 2), window=1, seed=seed).steps.reshape(-1, 2).tolist()
    tokens = {tuple(pair): sum(mixture[example][0] for example in pair) for pair in in_pairs if min(pair) >= 2}
    assert tokens[tuple(in_pairs[0])] == max(tokens.values())


@given(mixture=mixtures, window=windows, epoch=st.integers(0, 3))
def test_another_layout_of_the_same_global_batch_meets_the_same_examples(
    mixture: Mixture, window: int, epoch: int
) -> None:
    plans = [plan(mixture, layout, window=window, epoch=epoch) for layout in ((1, 1, 8), (2, 1, 4), (4, 2, 1))]
    assert len({tuple(tuple(sorted(real(step))) for step in planned.steps) for planned in plans}) == 1


@given(mixture=mixtures, layout=layouts, seed=st.integers(0, 2**32 - 1))
def test_global_random_state_changes_nothing(mixture: Mixture, layout: Layout, seed: int) -> None:
    before = plan(mixture, layout).steps
    random.seed(seed)
    np.random.seed(seed)
    expected = random.random(), np.random.random()
    random.seed(seed)
    np.random.seed(seed)
    assert np.array_equal(plan(mixture, layout).steps, before)
    assert (random.random(), np.random.random()) == expected


def test_epochs_and_seeds_differ() -> None:
    mixture = [(1 + number % 50, number % 5 > 0) for number in range(400)]
    draws = ((1, 0), (1, 1), (2, 0), (10, 1))
    plans = [plan(mixture, (2, 1, 4), window=5, seed=seed, epoch=epoch) for seed, epoch in draws]
    batches = [frozenset(frozenset(real(step)) for step in planned.steps) for planned in plans]
    assert len(set(batches)) == 4


def test_windows_and_steps_are_shuffled() -> None:
    steps = plan([(length, True) for length in range(1, 2001)], (1, 1, 4), window=500).steps
    longest = steps.max(axis=(1, 2, 3))
    assert abs(np.corrcoef(longest, np.arange(500))[0, 1]) < 0.15
    few = plan([(7, True)] * 2000, (1, 1, 4), window=500).steps.ravel()
    assert abs(np.corrcoef(few, np.arange(2000))[0, 1]) < 0.1


@pytest.mark.parametrize("window", [1, 10**9])
def test_any_window_plans_one_batch_or_many(window: int) -> None:
    assert sorted(real(plan([*IMAGES, *TEXTS], (1, 2, 2), window=window).steps)) == list(range(10))


def test_a_window_is_never_left_with_one_batch() -> None:
    mixture = [(1 + 7919 * number % 1000, True) for number in range(11 * 16)]
    steps = plan(mixture, (1, 1, 16), window=10).steps
    lengths = [[mixture[example][0] for example in real(step)] for step in steps]
    assert max(max(batch) - min(batch) for batch in lengths) < 500


def test_windows_of_fifty_steps_cost_little_more_than_the_ideal() -> None:
    spread = np.random.default_rng(3)
    mixture = [(int(576 + text), True) for text in spread.lognormal(5.3, 0.5, 24_000)]
    mixture += [(int(text), False) for text in spread.uniform(100, 2048, 4_000)]
    lengths = np.array([length for length, _ in mixture])
    cost = measure(plan(mixture, (4, 1, 8), window=50), examples_of(mixture), mode="grouped")
    assert cost.real == lengths.sum()
    assert cost.ratio <= 1.03
    assert measure(plan(mixture, (4, 1, 8), window=1), examples_of(mixture), mode="grouped").ratio > 1.2


def test_measure_counts_the_slowest_rank_of_each_micro_step() -> None:
    mixture = [(10, True), (8, True), (6, True), (2, True)]
    cost = measure(plan(mixture, (2, 1, 2)), examples_of(mixture), mode="grouped")
    assert cost == (26, 20 + 12, 20, 13.0, 20 / 16)
    assert cost.ratio == pytest.approx(20 / 13)


def test_measure_does_not_pad_empty_places() -> None:
    mixture = [(10, True), (8, True), (6, True)]
    cost = measure(plan(mixture, (2, 1, 2)), examples_of(mixture), mode="grouped")
    assert (cost.real, cost.computed, cost.slowest) == (24, 20 + 6, 20)
