"""Running `train` as a person does, on tiny models and the made-up mixture."""

import importlib
import json
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from mix665k import cli

TRAIN = Path(sys.executable).with_name("train")
PATIENCE_S = 300
SMALL = ("global_batch=8", "per_device_batch=4", "max_tokens=400", "on_unlabelled=drop", "workers=0", "bf16=false")
"""Overrides that make a step take a fraction of a second on a CPU."""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def _import_libraries() -> None:
    """What takes most of a command's time on a tiny model is done once for all commands."""
    os.environ.update(ONE_THREAD)
    for name in ("mix665k.trainer.run.loop", "deepspeed", "transformers.models.llava.modeling_llava"):
        importlib.import_module(name)


_PARENT = ProcessPoolExecutor(1, get_context("spawn"), _import_libraries)


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Inputs(NamedTuple):
    """What every run needs."""

    mixture: Path
    images: Path
    llm: Path
    vision: Path

    def options(self) -> list[str]:
        """As the command takes them."""
        return ["--mixture", str(self.mixture), "--images", str(self.images)]

    def models(self) -> list[str]:
        """As the command takes them."""
        return ["--llm", str(self.llm), "--vision", str(self.vision)]


def command(name: str, *options: str | Path, sets: tuple[str, ...] = ()) -> list[str]:
    """The command line, with overrides."""
    line = [str(TRAIN), name, *(str(option) for option in options)]
    for override in sets:
        line += ["--set", override]
    return line


def run(name: str, *options: str | Path, sets: tuple[str, ...] = ()) -> Done:
    """Run a command to its end, in a process of its own.

    That is forked from one that has the libraries imported: importing them took two thirds of the tests' time.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "stdout"), Path(folder, "stderr")
        code = _PARENT.submit(_fork, command(name, *options, sets=sets), told, dict(os.environ)).result()
        assert code is not None, f"{name} did not end in {PATIENCE_S} s"
        return Done(code, *(path.read_text() for path in told))


def _fork(line: list[str], told: tuple[Path, Path], environment: dict[str, str]) -> int | None:
    """The exit code of a command that runs in a child of this process; none if it took too long."""
    process = get_context("fork").Process(target=_become, args=(line, told, environment))
    process.start()
    process.join(PATIENCE_S)
    code = process.exitcode
    process.kill()
    return code


def _become(line: list[str], told: tuple[Path, Path], environment: dict[str, str]) -> None:
    """Be the command, with its arguments, its streams and its environment."""
    for stream, path in zip((1, 2), told, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    os.environ.clear()
    os.environ.update(environment | ONE_THREAD)
    sys.argv = line
    cli.train()


def pretrain(inputs: Inputs, out: Path, *options: str | Path, sets: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Run stage 1; the lines of its log."""
    done = run("pretrain", *inputs.options(), *inputs.models(), "--out", out, *options, sets=(*SMALL, *sets))
    assert done.returncode == 0, done.stderr[:6000]
    return steps_of(out)


def finetune(
    inputs: Inputs, projector: Path, out: Path, *options: str | Path, sets: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Run stage 2 from a projector file; the lines of its log."""
    given = [*inputs.options(), *inputs.models(), "--projector", str(projector), "--out", str(out)]
    done = run("finetune", *given, *options, sets=(*SMALL, *sets))
    assert done.returncode == 0, done.stderr[:6000]
    return steps_of(out)


def steps_of(out: Path) -> list[dict[str, Any]]:
    """The log lines of training steps."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line]


def told(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What must be the same, bit for bit, in two runs that are the same."""
    return [(line["step"], line["loss"], line["grad_norm"], line["samples"]) for line in lines]
