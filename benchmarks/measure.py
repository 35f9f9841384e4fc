"""Seconds and peak memory of a command and everything it starts."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

POLL_S = 0.1
_READ = """
import json, pickle, sys, time
begun = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    content = json.load(file) if sys.argv[1].endswith(".json") else pickle.load(file, encoding="latin1")
print(time.perf_counter() - begun)
"""


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    peak_bytes: int
    cpu_s: float = 0.0


def run(command: Sequence[str], *, out: Path | None = None, codes: Sequence[int] = (0,)) -> Cost:
    """Run a command; its memory (proportional set size) and processor time are summed over its processes, polled.

    What it prints goes to `out`; an exit code other than `codes` ends the benchmark.
    """
    begun, peak = time.perf_counter(), 0
    cpu_s: dict[int, float] = {}
    with (out or Path(os.devnull)).open("wb") as file:
        process = subprocess.Popen(command, stdout=file)
        while process.poll() is None:
            peak = max(peak, _look(psutil.Process(process.pid), cpu_s))
            time.sleep(POLL_S)
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return Cost(time.perf_counter() - begun, peak, sum(cpu_s.values()))


def _look(root: psutil.Process, cpu_s: dict[int, float]) -> int:
    """The memory of a process and all below it; what each has used of the processor goes to `cpu_s`."""
    total = 0
    try:
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in tree:
        try:
            total += process.memory_full_info().pss
            times = process.cpu_times()
        except psutil.Error:
            continue
        cpu_s[process.pid] = times.user + times.system
    return total


def read_seconds(path: Path) -> float:
    """What `json.load` or `pickle.load` needs to read a file, in a fresh process, without the start of Python."""
    command = [sys.executable, "-c", _READ, str(path)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
