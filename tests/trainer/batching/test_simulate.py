"""What an epoch costs in several orders."""

import numpy as np
import pytest

from mix665k.trainer.batching.simulate import Setting, epoch_cost, epoch_costs
from mix665k.trainer.batching.types import Layout, Plan
from tests.trainer.batching.planning import examples_of

MIXED = [(10, True), (10, True), (6, False), (6, False)]


def setting(mixture: list[tuple[int, bool]], layout: Layout, *, sources: list[int] | None = None) -> Setting:
    examples = examples_of(mixture)
    numbers = np.array(sources or [0] * len(mixture), dtype=np.int64)
    return Setting(examples=examples, sources=numbers, layout=layout, seed=1, window=1)


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


def test_one_image_among_texts_makes_a_batch_mixed() -> None:
    steps = plan([[[[0, 1, 2, 3]]], [[[4, 5, 6, -1]]]])
    mixture = [(5, True), *[(5, False)] * 6]
    given = setting(mixture, Layout(ranks=1, accumulation=1, per_device_batch=4))
    assert epoch_cost("made", steps, given, mode="grouped").one_modality == 1 / 2
