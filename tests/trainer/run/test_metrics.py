"""What is counted between two log lines."""

from collections.abc import Iterator

import pytest
import torch

from mix665k.trainer.model.cost import Flops
from mix665k.trainer.run.metrics import Metrics, _peak_flops


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        """See `time`."""
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("mix665k.trainer.run.metrics.time", made)
    return made


def loaded(clock: Clock, seconds: float, count: int) -> Iterator[int]:
    for i in range(count):
        clock.seconds += seconds
        yield i


def test_the_time_until_batches_come_is_loading_and_the_rest_is_not(clock: Clock) -> None:
    metrics = Metrics(["vqav2"], flops=Flops(10.0, 3.0))
    for _ in metrics.waiting(loaded(clock, 1.0, 4)):
        clock.seconds += 4.0
    assert metrics.drain(lambda mine: [mine])["loading"] == 4 / 20
    clock.seconds += 1.0
    assert metrics.drain(lambda mine: [mine])["loading"] == 0


def test_the_rank_that_waits_longest_counts(clock: Clock) -> None:
    metrics = Metrics(["vqav2"], flops=Flops(10.0, 3.0))
    assert list(metrics.waiting(loaded(clock, 1.0, 2))) == [0, 1]
    clock.seconds += 2.0
    assert metrics.drain(lambda mine: [mine | {"waited_s": 0.5}, mine, mine | {"waited_s": 0.0}])["loading"] == 0.5


def test_windows_leave_no_gap_so_gathering_is_in_the_next_one(clock: Clock) -> None:
    def slow_gather(mine: object) -> list[object]:
        clock.seconds += 3.0
        return [mine]

    metrics = Metrics(["vqav2"], flops=Flops(10.0, 3.0))
    clock.seconds += 2.0
    assert metrics.drain(slow_gather)["seconds"] == 2.0
    clock.seconds += 1.0
    assert metrics.drain(slow_gather)["seconds"] == 4.0


def test_saving_and_evaluating_are_not_in_the_seconds_of_steps(clock: Clock) -> None:
    metrics = Metrics(["vqav2"], flops=Flops(10.0, 3.0))
    clock.seconds += 2.0
    metrics.drain(lambda mine: [mine])
    with metrics.paused():
        clock.seconds += 30.0
    clock.seconds += 3.0
    assert metrics.drain(lambda mine: [mine])["seconds"] == 3.0


BATCH = {
    "ids": ["a", "b"],
    "sources": ["vqav2", "gqa"],
    "num_labels": [2, 1],
    "example_index": torch.tensor([0, 0, 1]),
    "num_tokens": 9,
    "input_ids": torch.zeros(2, 6),
    "bad_images": [],
}


def test_losses_are_summed_by_source_over_ranks() -> None:
    metrics = Metrics(["vqav2", "gqa", "vg"], flops=Flops(10.0, 3.0))
    metrics.add(torch.tensor([1.0, 3.0, 5.0]), BATCH)
    found = metrics.drain(lambda mine: [mine, mine])
    assert (found["loss/vqav2"], found["labels/vqav2"]) == (2.0, 4)
    assert (found["loss/gqa"], found["labels/gqa"]) == (5.0, 2)
    assert "loss/vg" not in found
    assert "mfu" not in found
    assert found["padding"] == 1 - 18 / 24


def test_rates_times_the_seconds_of_their_window_are_counts(clock: Clock) -> None:
    metrics = Metrics(["vqav2", "gqa"], flops=Flops(10.0, 3.0))
    metrics.add(torch.tensor([1.0, 3.0, 5.0]), BATCH)
    clock.seconds += 4.0
    found = metrics.drain(lambda mine: [mine])
    assert (found["seconds"], found["samples_per_s"], found["tokens_per_s"]) == (4.0, 2 / 4, 9 / 4)


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H200", 989e12),
        ("a device that nobody knows", None),
    ],
)
def test_the_peak_is_that_of_the_very_device(device: str, peak: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: device)
    assert _peak_flops() == peak


def test_utilisation_counts_the_head_for_labels_only(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mix665k.trainer.run.metrics._peak_flops", lambda: 100.0)
    metrics = Metrics(["vqav2", "gqa"], flops=Flops(10.0, 3.0))
    metrics.add(torch.tensor([1.0, 3.0, 5.0]), BATCH)
    clock.seconds += 2.0
    assert metrics.drain(lambda mine: [mine])["mfu"] == (9 * 10 + 3 * 3) / 2 / 100


def test_a_source_that_one_rank_did_not_meet_has_the_others_loss() -> None:
    metrics = Metrics(["vqav2", "gqa"], flops=Flops(10.0, 3.0))
    metrics.add(torch.tensor([1.0, 3.0, 5.0]), BATCH)
    found = metrics.drain(lambda mine: [mine, mine | {"by_source": {"gqa": (1.0, 1)}}])
    assert (found["loss/vqav2"], found["labels/vqav2"]) == (2.0, 2)
    assert (found["loss/gqa"], found["labels/gqa"]) == (3.0, 2)


def test_a_line_counts_what_came_since_the_last_one(clock: Clock) -> None:
    metrics = Metrics(["vqav2", "gqa"], flops=Flops(10.0, 3.0))
    metrics.add(torch.tensor([1.0, 3.0, 5.0]), BATCH | {"bad_images": ["a: x.jpg: no such file"]})
    clock.seconds += 1.0
    first = metrics.drain(lambda mine: [mine])
    assert (first["bad_images"], first["bad_image_texts"]) == (1, "a: x.jpg: no such file")
    metrics.add(torch.tensor([2.0, 2.0, 2.0]), BATCH)
    clock.seconds += 1.0
    second = metrics.drain(lambda mine: [mine])
    assert (second["loss/vqav2"], second["labels/vqav2"]) == (2.0, 2)
    assert (second["samples_per_s"], second["tokens_per_s"]) == (2.0, 9.0)
    assert "bad_images" not in second


def test_the_hash_of_samples_depends_on_no_order_of_ranks_and_on_no_filler() -> None:
    def hashed(*ids: list[str]) -> object:
        metrics = Metrics([], flops=Flops(10.0, 3.0))
        return metrics.drain(lambda mine: [mine | {"seen": seen} for seen in ids])["samples"]

    assert hashed(["a", "b"], ["c"]) == hashed(["c"], ["b", "a"])
    assert hashed(["a", "b"]) != hashed(["a", "c"])
    metrics = Metrics(["vqav2", "gqa"], flops=Flops(10.0, 3.0))
    metrics.add(torch.tensor([1.0, 3.0, 5.0]), BATCH | {"ids": ["a", ""]})
    assert metrics.drain(lambda mine: [mine])["samples"] == hashed(["a"])
