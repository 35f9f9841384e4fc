"""What an epoch costs in several orders."""

import numpy as np
import pytest

from mix665k.trainer.batching.baselines import plan_llava, plan_random
from mix665k.trainer.batching.simulate import Setting, epoch_cost, epoch_costs
from mix665k.trainer.batching.types import Layout, Plan
from tests.trainer.batching.planning import examples_of, real

MIXED = [(10, True), (10, True), (6, False), (6, False)]


def setting(mixture: list[tuple[int, bool]], layout: Layout, *, sources: list[int] | None = None) -> Setting:
    examples = examples_of(mixture)
    numbers = np.array(sources or [0] * len(mixture), dtype=np.int64)
    return Setting(examples=examples, words=examples.lengths, sources=numbers, layout=layout, seed=1, window=1)


def plan(steps: list[list[list[list[int]]]]) -> Plan:
    none = np.array([], dtype=np.int64)
    return Plan(steps=np.array(steps, dtype=np.int64), dropped=none, repeated=none)


def test_padded_batches_compute_their_padding() -> None:
    found = epoch_cost(
        "made",
        plan([[[[0, 2]], [[1, 3]]]]),
        setting(MIXED, Layout(ranks=2, accumulation=1, per_device_batch=2)),
        mode="grouped",
    )
    assert (found.steps, found.cost, found.largest_micro_batch) == (1, 20, 20)
    assert found.padding == pytest.approx(1 - 32 / 40)
    assert (found.imbalance, found.ratio, found.one_modality) == (1.0, 20 / 16, 0.0)


def test_a_row_without_padding_waits_for_the_slowest() -> None:
    found = epoch_cost(
        "made",
        plan([[[[0, 1]], [[2, 3]]]]),
        setting(MIXED, Layout(ranks=2, accumulation=1, per_device_batch=2)),
        mode="padding_free",
    )
    assert (found.padding, found.cost, found.largest_micro_batch) == (0.0, 20, 20)
    assert found.imbalance == pytest.approx(20 / 16)


def test_sources_count_as_so_many_equally_frequent_ones() -> None:
    steps = plan([[[[0, 1, 2, 3]]], [[[4, 5, 6, -1]]]])
    given = setting([(5, True)] * 7, Layout(1, 1, 4), sources=[0, 1, 2, 3, 0, 0, 0])
    found = epoch_cost("made", steps, given, mode="grouped")
    assert found.sources_per_step == pytest.approx((4 + 1) / 2)
    assert found.one_modality == 1.0


def test_random_order_deals_a_micro_batch_to_each_rank_in_turn() -> None:
    steps = plan_random(8, layout=Layout(2, 2, 2), seed=0).steps
    assert steps.shape == (1, 2, 2, 2)
    assert sorted(real(steps)) == list(range(8))


def test_llava_deals_the_longest_to_the_lightest_and_joins_what_is_left() -> None:
    words = np.array([1, 2, 3, 4, 5, 9, 9], dtype=np.int64)
    has_image = np.array([True] * 5 + [False] * 2)
    steps = plan_llava(words, has_image, layout=Layout(ranks=2, accumulation=1, per_device_batch=2), seed=0).steps
    assert len(steps) == 2
    whole, last = (real(step) for step in steps)
    assert set(whole) <= {0, 1, 2, 3, 4}
    assert {5, 6} <= set(last)
    by_rank = words[steps[0, :, 0]].sum(axis=1)
    assert abs(int(by_rank[0]) - int(by_rank[1])) <= 3


@pytest.mark.parametrize("batch", [6, 7])
def test_padding_and_imbalance_multiply_to_the_cost(batch: int) -> None:
    mixture = [(10 + number % batch, number % 3 > 0) for number in range(53)]
    for found in epoch_costs(setting(mixture, Layout(2, 2, 3))):
        assert found.imbalance / (1 - found.padding) == pytest.approx(found.ratio)


def test_every_order_has_every_example_once() -> None:
    mixture = [(10 + number % 7, number % 3 > 0) for number in range(53)]
    for found in epoch_costs(setting(mixture, Layout(2, 2, 3))):
        assert found.cost >= sum(length for length, _ in mixture) / 2
        assert found.ratio >= 1
    words = examples_of(mixture)
    llava = plan_llava(words.lengths, words.has_image, layout=Layout(2, 2, 3), seed=1)
    assert sorted(real(llava.steps)) == list(range(53))


def test_llava_fills_a_micro_batch_before_it_is_the_lightest() -> None:
    words = np.array([1, 100, 1, 1], dtype=np.int64)
    [step] = plan_llava(
        words, np.array([True] * 4), layout=Layout(ranks=2, accumulation=1, per_device_batch=2), seed=0
    )[0]
    assert words[step[0, 0]].tolist() == [100, 1]
    assert words[step[1, 0]].tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_llava_mixes_modalities_in_the_last_batch_only(seed: int) -> None:
    has_image = np.array([True] * 10 + [False] * 6)
    layout = Layout(ranks=2, accumulation=1, per_device_batch=2)
    steps = plan_llava(np.ones(16, dtype=np.int64), has_image, layout=layout, seed=seed).steps
    images = [sorted(int(has_image[example]) for example in real(step)) for step in steps]
    assert sorted(images[:3]) == [[0] * 4, [1] * 4, [1] * 4]
    assert images[3:] == [[0, 0, 1, 1]]


def test_one_image_among_texts_makes_a_batch_mixed() -> None:
    steps = plan([[[[0, 1, 2, 3]]], [[[4, 5, 6, -1]]]])
    mixture = [(5, True), *[(5, False)] * 6]
    given = setting(mixture, Layout(ranks=1, accumulation=1, per_device_batch=4))
    assert epoch_cost("made", steps, given, mode="grouped").one_modality == 1 / 2
