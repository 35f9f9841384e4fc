"""Callbacks of a run: its epochs and learning rates, and what a person sees: a bar, a log of numbers, a curve."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback

from mix665k.schemas.terminal import open_console, text_column
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.log import LOG, read_log

if TYPE_CHECKING:
    from mix665k.trainer.batching.sampler import MicroBatches

CURVE = "loss.png"
SHOWN_BAD = 2


def callbacks(job: Job, batches: "MicroBatches") -> list[TrainerCallback]:
    """The callbacks of a run; those that show or write something do so on rank 0."""
    return [Epochs(batches), Schedule(), NumbersLog(job.folder), Bar()]


class Epochs(TrainerCallback):
    """Tells the batches which epoch begins."""

    def __init__(self, batches: "MicroBatches") -> None:
        self._batches = batches

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """See TrainerCallback."""
        self._batches.set_epoch(state.global_step // self._batches.num_steps)


class Schedule(TrainerCallback):
    """Lets a run that is resumed with another number of steps follow its new schedule from the first step.

    A checkpoint restores the learning rate that the old schedule had for the next step.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, *, lr_scheduler: Any = None, **given: Any) -> None:
        """See TrainerCallback."""
        if state.global_step:
            lr_scheduler.last_epoch -= 1
            lr_scheduler.step()


class NumbersLog(TrainerCallback):
    """One JSON object per log line in `log.jsonl`, and a plot of the loss when the run ends.

    A resumed run drops the lines after its checkpoint, so that each step is there once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """See TrainerCallback."""
        if state.is_world_process_zero:
            kept = [line for line in read_log(self._folder) if line["step"] <= state.global_step]
            (self._folder / LOG).write_text("".join(f"{json.dumps(line)}\n" for line in kept))

    def on_log(self, args: Any, state: Any, control: Any, *, logs: dict[str, Any] | None = None, **given: Any) -> None:
        """See TrainerCallback."""
        if state.is_world_process_zero and logs:
            with (self._folder / LOG).open("a") as file:
                file.write(f"{json.dumps({'step': state.global_step, **logs})}\n")

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """See TrainerCallback."""
        if state.is_world_process_zero:
            draw_curve(read_log(self._folder), self._folder / CURVE)


class Bar(TrainerCallback):
    """A bar on a terminal, lines elsewhere; images that could not be used are a line in both."""

    def __init__(self) -> None:
        self._console = open_console(stderr=True)
        self._progress: Progress | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """See TrainerCallback."""
        if state.is_world_process_zero and self._console.is_terminal:
            columns = [BarColumn(bar_width=30), MofNCompleteColumn(), text_column("{task.fields[numbers]}")]
            columns += [TimeElapsedColumn(), text_column("left"), TimeRemainingColumn()]
            self._progress = Progress(*columns, console=self._console)
            self._progress.add_task("steps", total=state.max_steps, completed=state.global_step, numbers="")
            self._progress.start()

    def on_log(self, args: Any, state: Any, control: Any, *, logs: dict[str, Any] | None = None, **given: Any) -> None:
        """See TrainerCallback."""
        if not state.is_world_process_zero or not logs or not {"loss", "eval_loss", "benchmark_seconds"} & logs.keys():
            return
        if "bad_images" in logs:
            line = f"step {state.global_step}: {_bad_images(logs)}"
            self._console.print(line, highlight=False, soft_wrap=True)
        if self._progress is None or "benchmark_seconds" in logs:
            self._console.print(
                f"step {state.global_step}/{state.max_steps}  {_numbers(logs)}", highlight=False, soft_wrap=True
            )
        elif "loss" in logs:
            self._progress.update(self._progress.task_ids[0], completed=state.global_step, numbers=_numbers(logs))

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """See TrainerCallback."""
        if self._progress is not None:
            self._progress.stop()


def draw_curve(log: list[dict[str, Any]], path: Path) -> None:
    """Plot training loss, and held-out loss where there is one, over steps: of all, and in thin lines by source."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    sources = sorted({key for line in log for key in line if key.startswith(("loss/", "eval_loss/"))})
    named = {key: key.replace("eval_loss/", "held out: ").removeprefix("loss/") for key in sources}
    for key, label in {"loss": "training", "eval_loss": "held out", **named}.items():
        points = [(line["step"], line[key]) for line in log if key in line]
        if points:
            style = "--" if key.startswith("eval") else "-"
            axes.plot(*zip(*points, strict=True), label=label, linestyle=style, linewidth=0.6 if "/" in key else 2.0)
    axes.set(xlabel="step", ylabel="loss per labelled token")
    axes.legend(fontsize="x-small", ncols=1 + len(named) // 12, loc="upper right")
    figure.savefig(path, dpi=120)


def _bad_images(logs: dict[str, Any]) -> str:
    """How many images could not be used, and which: the first few where there are many."""
    count, texts = logs["bad_images"], logs["bad_image_texts"]
    if count > SHOWN_BAD:
        texts = f"{'; '.join(texts.split('; ')[:SHOWN_BAD])}; and {count - SHOWN_BAD:,} more, see {LOG}"
    return f"{count:,} bad image{'s' if count > 1 else ''}: {texts}"


def _numbers(logs: dict[str, Any]) -> str:
    if "benchmark_seconds" in logs:
        figures = [f"{key.removeprefix('benchmark/')} {logs[key]:.2f}" for key in logs if key.startswith("benchmark/")]
        return f"{', '.join(figures)}  in {logs['benchmark_seconds']:.1f} s"
    if "eval_loss" in logs:
        return f"held-out loss {logs['eval_loss']:.4f}"
    of_parts = [(key.partition("/")[2], rate) for key, rate in logs.items() if key.startswith("learning_rate/")]
    rates = [f"lr {logs['learning_rate']:.1e}", *(f"{part} {rate:.1e}" for part, rate in of_parts)]
    numbers = [f"loss {logs['loss']:.4f}", ", ".join(rates), f"{logs['tokens_per_s']:,.0f} tokens/s"]
    numbers += [f"{logs['samples_per_s']:.1f} samples/s"]
    numbers += [f"padding {logs['padding']:.0%}", f"loading {logs['loading']:.0%}"]
    return "  ".join(numbers + ([f"MFU {logs['mfu']:.0%}"] if "mfu" in logs else []))
