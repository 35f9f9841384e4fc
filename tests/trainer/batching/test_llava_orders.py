"""The orders of LLaVA's trainer: as its code gave them, and as its sampler is defined."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, RandomSampler

from mix665k.schemas.errors import UserError
from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.llava import draw, llava_order
from mix665k.trainer.batching.sampler import MicroBatches
from mix665k.trainer.batching.types import EMPTY, Examples, Layout, Mode, Order, Plan
from tests.trainer.batching.planning import Mixture, examples_of, layouts, mixtures, plan, real, seeds

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("llava_orders.json").read_text())
"""Micro-batches of each rank that LLaVA's trainer c121f043 took under transformers 4.37.2 and accelerate 0.21.0.

The signed lengths are those of its `modality_lengths`: words, of text negative.
"""


def signed(lengths: list[int]) -> Examples:
    """Examples of which LLaVA's dataset gives these lengths."""
    values = np.array(lengths, dtype=np.int64)
    return Examples(lengths=abs(values), has_image=values > 0, words=abs(values))


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_the_order_is_that_of_llavas_own_run(name: str) -> None:
    case = RECORDED[name]
    ranks, accumulation, size = case["layout"]
    order = Order(mode=case["mode"], window=50, remainder="repeat", seed=case["seed"])
    examples, layout = signed(case["lengths"]), Layout(ranks, accumulation, size)
    for rank, seen in enumerate(case["seen"]):
        batches = MicroBatches(examples, layout=layout, order=order, rank=rank)
        found: list[list[int]] = []
        for epoch in range(case["epochs"]):
            batches.set_epoch(epoch)
            found += list(batches)
        assert found == seen, rank


def dealt(batch: list[int], words: dict[int, int], cells: int) -> list[int]:
    """One batch of LLaVA's, from the description: longest first, each to the lightest micro-batch that has room."""
    batch = sorted(batch, key=lambda example: -words[example])
    if len(batch) % cells:
        return [example for cell in range(cells) for example in batch[cell::cells]]
    chunks: list[list[int]] = [[] for _ in range(cells)]
    for example in batch:
        open_chunks = [chunk for chunk in chunks if len(chunk) < len(batch) // cells]
        min(open_chunks, key=lambda chunk: sum(words[one] for one in chunk)).append(example)
    return [example for chunk in chunks for example in chunk]


def grouped_by_modality(mixture: Mixture, *, size: int, cells: int) -> list[int]:
    """LLaVA's sampler with both modalities, drawing from torch's global generator."""
    complete: list[list[int]] = []
    left: list[int] = []
    for modality in (True, False):
        members = {number: length for number, (length, image) in enumerate(mixture) if image == modality}
        shuffled = [list(members)[index] for index in torch.randperm(len(members)).tolist()]
        *whole, last = [dealt(shuffled[start : start + size], members, cells) for start in range(0, len(members), size)]
        complete += whole
        left += last
    order = [example for number in torch.randperm(len(complete)).tolist() for example in complete[number]]
    return order + sorted(left)


@given(mixture=mixtures, layout=layouts, seed=seeds)
def test_the_sampler_draws_as_llavas_does_from_one_generator(mixture: Mixture, layout: Layout, seed: int) -> None:
    mixture = [*mixture, (3, True), (4, False)]
    examples = examples_of(mixture)
    generator = torch.Generator().manual_seed(seed)
    num_images = int(examples.has_image.sum())
    shuffles = draw(num_images, len(mixture) - num_images, layout=layout, within=generator, between=generator)
    found = llava_order(examples.lengths, examples.has_image, layout=layout, shuffles=shuffles)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        cells = layout.ranks * layout.accumulation
        assert found.tolist() == grouped_by_modality(mixture, size=layout.global_batch, cells=cells)


@given(mixture=mixtures, layout=layouts, seed=seeds, mode=st.sampled_from(["llava_grouped", "llava_random"]))
def test_every_example_comes_once_in_an_epoch(mixture: Mixture, layout: Layout, seed: int, mode: Mode) -> None:
    found = plan(mixture, layout, seed=seed, mode=mode, epoch=1)
    assert sorted(real(found.steps)) == list(range(len(mixture)))
    places = found.steps.reshape(-1, layout.per_device_batch) != EMPTY
    assert (np.sort(places, axis=1)[:, ::-1] == places).all()


def step_sets(found: Plan) -> list[list[int]]:
    return [sorted(real(step)) for step in found.steps]


@pytest.mark.parametrize("mode", ["llava_grouped", "llava_random"])
def test_one_two_and_eight_ranks_meet_the_same_examples_in_each_step(mode: Mode) -> None:
    mixture = [(1 + 37 * number % 101, number % 3 > 0) for number in range(203)]
    on_one, on_two, on_eight = (
        step_sets(plan(mixture, layout, mode=mode)) for layout in ((1, 8, 2), (2, 2, 4), (8, 1, 2))
    )
    assert on_one == on_two == on_eight


def test_stage_1_takes_what_torchs_random_sampler_gives_with_accelerates_generator() -> None:
    rows: Any = range(37)
    loader: Any = DataLoader(rows, batch_size=4, sampler=RandomSampler(rows, generator=torch.Generator()))
    mixture = [(5, True)] * 37
    for epoch in range(3):
        steps = plan(mixture, (1, 1, 4), mode="llava_random", epoch=epoch, seed=epoch).steps
        assert [real(step) for step in steps] == [batch.tolist() for batch in loader]


def test_the_seed_orders_the_examples_of_stage_2() -> None:
    mixture = [(1 + 37 * number % 101, number % 3 > 0) for number in range(53)]
    orders = [step_sets(plan(mixture, (1, 1, 4), mode="llava_grouped", seed=seed)) for seed in (1, 2)]
    assert orders[0] != orders[1]


def test_the_costliest_batch_does_not_come_first() -> None:
    mixture = [(900 if number == 18 else 1, True) for number in range(64)]
    assert 18 not in real(plan(mixture, (1, 1, 4), mode="llava_random").steps[0])
    assert 18 not in real(plan([*mixture, (1, False)], (1, 1, 4), mode="llava_grouped").steps[0])


def test_repeat_fills_up_with_the_first_of_the_epoch_as_accelerate_does() -> None:
    found = plan([(5, True)] * 6, (2, 1, 2), mode="llava_random", remainder="repeat")
    assert found.repeated.tolist() == real(found.steps)[:2]


def test_rows_without_a_word_are_refused_where_llava_orders_by_words() -> None:
    examples = examples_of([(5, True), (6, False), (7, False)])
    examples = examples._replace(words=np.array([3, 0, 0], dtype=np.int64))
    order = Order(mode="llava_grouped", window=1, remainder="short", seed=1)
    with pytest.raises(UserError, match="llava_grouped: 2 rows hold no word"):
        plan_epoch(examples, layout=Layout(1, 1, 2), order=order, epoch=0)
