"""What a person sees of a run, and its log."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import skip_first_batches
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from torch.utils.data import DataLoader

from mix665k.schemas.terminal import LiteralConsole
from mix665k.trainer.batching.sampler import MicroBatches
from mix665k.trainer.batching.types import Layout, Order
from mix665k.trainer.run.callbacks import Bar, Epochs, NumbersLog, Schedule, draw_curve
from mix665k.trainer.run.log import read_log
from tests.trainer.batching.planning import examples_of

LOGGED = {"loss": 1.5, "learning_rate": 1e-3, "tokens_per_s": 9, "samples_per_s": 3, "padding": 0.1, "loading": 0.0}
BAD = "a/1: i/a/[1].jpg: cannot be decoded: no picture"


def state(step: int, *, rank: int = 0) -> Any:
    return SimpleNamespace(is_world_process_zero=rank == 0, global_step=step, max_steps=9)


def bad(number: int) -> dict[str, Any]:
    return LOGGED | {"bad_images": number, "bad_image_texts": "; ".join([BAD] * number)}


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (1, f"step 4: 1 bad image: {BAD}"),
        (2, f"step 4: 2 bad images: {BAD}; {BAD}"),
        (1002, f"step 4: 1,002 bad images: {BAD}; {BAD}; and 1,000 more, see log.jsonl"),
    ],
)
def test_bad_images_are_a_line_on_stderr(capsys: pytest.CaptureFixture[str], number: int, told: str) -> None:
    Bar().on_log(None, state(4), None, logs=bad(number))
    shown = capsys.readouterr()
    assert shown.out == ""
    line, numbers = shown.err.splitlines()
    assert line == told
    assert numbers.startswith("step 4/9  loss 1.5000")


def test_bad_images_are_a_line_above_the_bar_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    bar = Bar()
    monkeypatch.setattr(bar, "_console", LiteralConsole(file=screen, force_terminal=True, width=300))
    bar.on_train_begin(None, state(0), None)
    bar.on_log(None, state(4), None, logs=bad(1))
    bar.on_train_end(None, state(9), None)
    lines = screen.getvalue().splitlines()
    [at] = [number for number, line in enumerate(lines) if line.endswith(f"step 4: 1 bad image: {BAD}")]
    assert any("loss 1.5000" in line for line in lines[at + 1 :])


@pytest.mark.parametrize(("rank", "logs"), [(1, bad(1)), (0, {"train_runtime": 1.0}), (0, None)])
def test_other_ranks_and_other_lines_tell_nothing(
    capsys: pytest.CaptureFixture[str], rank: int, logs: dict[str, Any] | None
) -> None:
    Bar().on_log(None, state(4, rank=rank), None, logs=logs)
    assert capsys.readouterr().err == ""


def test_lines_of_a_log_that_are_no_step_are_left_out_where_a_run_goes_on(tmp_path: Path) -> None:
    lines = ['{"step": 1, "loss": 2}', "[]", "3", '{"loss": 2}', '{"step": "x"}', '{"step": 2, "loss": 1}']
    (tmp_path / "log.jsonl").write_bytes("\n".join([*lines, '{"step": 3, "lo']).encode() + b"\xff")
    assert read_log(tmp_path) == [{"step": 1, "loss": 2}, {"step": 2, "loss": 1}]
    NumbersLog(tmp_path).on_train_begin(None, state(1), None)
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": 2}\n'


def test_a_run_without_a_log_has_no_lines(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []


@given(step=st.integers(0, 17))
def test_a_resumed_run_takes_the_micro_batches_that_the_first_had_left(step: int) -> None:
    """As Trainer resumes: the epoch is set by the callback, its first micro-batches are skipped by accelerate."""
    first, resumed = (
        MicroBatches(
            examples_of([(1 + 37 * number % 101, number % 3 > 0) for number in range(53)]),
            layout=Layout(ranks=2, accumulation=2, per_device_batch=3),
            order=Order(mode="grouped", window=2, remainder="short", seed=5),
            rank=1,
        )
        for _ in range(2)
    )
    taken = []
    for epoch in range(4):
        first.set_epoch(epoch)
        taken += list(first)
    begun, within = divmod(step, resumed.num_steps)
    rest = []
    for epoch in range(begun, 4):
        Epochs(resumed).on_epoch_begin(None, state(max(step, epoch * resumed.num_steps)), None)
        loader: Any = DataLoader(range(53), batch_sampler=resumed, collate_fn=list)  # type: ignore[arg-type]
        rest += list(skip_first_batches(loader, within * 2) if epoch == begun else loader)
    assert rest == taken[step * 2 :]


@pytest.mark.parametrize(("done", "expected"), [(0, 1.0), (3, 0.7)])
def test_a_longer_schedule_is_followed_from_the_checkpoint_on(done: int, expected: float) -> None:
    """A checkpoint of a shorter run brings its own rate: here 0, of a schedule that ended."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 10)
    if done:
        shorter = {"last_epoch": done, "_step_count": done + 1, "_last_lr": [0.0], "base_lrs": [1.0]}
        scheduler.load_state_dict(scheduler.state_dict() | shorter)
        optimizer.param_groups[0]["lr"] = 0.0
    Schedule().on_train_begin(None, state(done), None, lr_scheduler=scheduler)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
    assert scheduler.last_epoch == done


def test_a_log_line_is_one_json_object_with_its_step(tmp_path: Path) -> None:
    log = NumbersLog(tmp_path)
    log.on_train_begin(None, state(0), None)
    log.on_log(None, state(1), None, logs={"loss": 2.0})
    log.on_log(None, state(2, rank=1), None, logs={"loss": 9.0})
    log.on_log(None, state(2), None, logs={"eval_loss": 1.5})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": 2.0}\n{"step": 2, "eval_loss": 1.5}\n'


def test_the_curve_has_training_and_held_out_loss_of_all_and_of_each_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    plot = Axes.plot

    def plot_and_record(axes: Any, *points: Any, label: str, **style: Any) -> Any:
        drawn.append((points, label))
        return plot(axes, *points, label=label, **style)

    monkeypatch.setattr(Axes, "plot", plot_and_record)
    log = [{"step": 1, "loss": 3.0, "loss/gqa": 4.0}, {"step": 2, "eval_loss": 2.5, "eval_loss/gqa": 2.25}]
    draw_curve([*log, {"step": 2, "loss": 2.0, "labels/gqa": 7}], tmp_path / "a.png")
    of_sources = [(((2,), (2.25,)), "held out: gqa"), (((1,), (4.0,)), "gqa")]
    assert drawn == [(((1, 2), (3.0, 2.0)), "training"), (((2,), (2.5,)), "held out"), *of_sources]
    assert (tmp_path / "a.png").is_file()
