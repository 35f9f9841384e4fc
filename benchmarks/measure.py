"""Seconds and peak memory of a command and everything it starts."""

import json
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


def run(command: Sequence[str]) -> Cost:
    """Run a command; its memory is the proportional set size summed over its processes, polled."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _total_pss(psutil.Process(process.pid)))
        time.sleep(POLL_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return Cost(time.perf_counter() - begun, peak)


def _total_pss(root: psutil.Process) -> int:
    total = 0
    try:
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in tree:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def read_seconds(path: Path) -> float:
    """What `json.load` or `pickle.load` needs to read a file, in a fresh process, without the start of Python."""
    command = [sys.executable, "-c", _READ, str(path)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
