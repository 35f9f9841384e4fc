"""Running `train` as a person does, on tiny models and the made-up mixture."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

TRAIN = Path(sys.executable).with_name("train")
PATIENCE_S = 300
SMALL = ("global_batch=8", "per_device_batch=4", "max_tokens=400", "on_unlabelled=drop", "workers=0", "bf16=false")
"""Overrides that make a step take a fraction of a second on a CPU."""


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


def run(name: str, *options: str | Path, sets: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        command(name, *options, sets=sets),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=dict(os.environ) | {"OMP_NUM_THREADS": "1"},
    )


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
