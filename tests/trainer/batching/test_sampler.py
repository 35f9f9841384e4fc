"""One rank's micro-batches, alone, in a DataLoader, and taken up again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.sampler import MicroBatches
from mix665k.trainer.batching.types import Layout, Mode, Order
from tests.trainer.batching.planning import Mixture, examples_of, layouts, mixtures, real

MIXTURE = [(1 + 37 * number % 101, number % 3 > 0) for number in range(53)]
LAYOUT = Layout(ranks=2, accumulation=2, per_device_batch=3)
ORDER = Order(mode="grouped", window=2, remainder="short", seed=5)


def batches(
    layout: Layout = LAYOUT, *, rank: int = 0, mixture: Mixture = MIXTURE, mode: Mode = "grouped"
) -> MicroBatches:
    return MicroBatches(examples_of(mixture), layout=layout, order=ORDER._replace(mode=mode), rank=rank)


@given(mixture=mixtures, layout=layouts, epoch=st.integers(0, 3))
def test_the_ranks_share_out_each_step_of_the_plan(mixture: Mixture, layout: Layout, epoch: int) -> None:
    ranks = [batches(layout, rank=rank, mixture=mixture) for rank in range(layout.ranks)]
    for each in ranks:
        each.set_epoch(epoch)
    plan = plan_epoch(examples_of(mixture), layout=layout, order=ORDER, epoch=epoch)
    drawn = [list(each) for each in ranks]
    for number, step in enumerate(plan.steps):
        within = slice(number * layout.accumulation, (number + 1) * layout.accumulation)
        assert [example for lists in drawn for batch in lists[within] for example in batch] == real(step)


def test_a_rank_has_accumulation_times_steps_micro_batches() -> None:
    sampler = batches()
    assert sampler.num_steps == 5
    assert len(sampler) == len(list(sampler)) == 10


def test_an_epoch_drawn_twice_is_the_same() -> None:
    sampler = batches()
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_a_micro_batch_is_empty_when_examples_are_fewer() -> None:
    ranks = [batches(rank=rank, mixture=[(9, True)] * 3) for rank in (0, 1)]
    assert [[len(batch) for batch in each] for each in ranks] == [[1, 1], [1, 0]]


def test_a_rank_outside_the_layout_is_refused() -> None:
    with pytest.raises(AssertionError, match="2"):
        batches(Layout(2, 1, 1), rank=2)


def test_a_loader_hands_out_the_micro_batches_as_they_are() -> None:
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(range(53), batch_sampler=batches(), collate_fn=list)
    assert len(loader) == 10
    assert list(loader) == list(batches())


@pytest.mark.parametrize("mode", ["grouped", "llava_grouped", "llava_random"])
def test_the_trainer_skips_micro_batches_without_reading_examples(mode: Mode) -> None:
    """What transformers' Trainer does on resume to a loader that accelerate has not prepared."""
    data = pytest.importorskip("torch.utils.data")
    accelerate = pytest.importorskip("accelerate")
    read: list[int] = []

    class Examples(data.Dataset):  # type: ignore[misc, name-defined]
        def __getitem__(self, place: int) -> int:
            read.append(place)
            return place

    loader = data.DataLoader(Examples(), batch_sampler=batches(mode=mode), collate_fn=list)
    rest = list(accelerate.skip_first_batches(loader, 6))
    assert rest == list(batches(mode=mode))[6:]
    assert read == [example for batch in rest for example in batch]
