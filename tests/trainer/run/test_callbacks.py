"""What a person sees of a run, and its log."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from mix665k.trainer.run.callbacks import Bar, NumbersLog, read_log

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
    monkeypatch.setattr(bar, "_console", Console(file=screen, force_terminal=True, width=300))
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
