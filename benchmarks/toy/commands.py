"""Running commands one after the other, each announced, and timed."""

import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

BIN = Path(sys.executable).parent


class Commands:
    """Runs commands and says which, and how long each part took; `quiet` keeps what they print for a failure."""

    def __init__(self, console: Console, *, parts: int) -> None:
        self._console, self._parts, self._part, self._begun = console, parts, 0, time.perf_counter()

    def part(self, title: str) -> None:
        """Announce the next part, and say how much time the ones before took."""
        self._part += 1
        seconds = time.perf_counter() - self._begun
        self._console.rule(f"[bold]{self._part}/{self._parts} {title}[/] · {seconds:.0f} s so far", align="left")

    def run(self, *words: str | Path, quiet: bool = False) -> None:
        """Run `mix …`, `train …` or `python …` from this environment; a failure ends the program with its exit code."""
        command = [str(word) for word in words]
        self._console.print(f"$ {shlex.join(command)}", markup=False, highlight=False, soft_wrap=True)
        done = _run([str(BIN / command[0]), *command[1:]], quiet=quiet)
        if done.returncode:
            self._console.print(done.stdout or "", markup=False, highlight=False)
            raise SystemExit(done.returncode)

    @property
    def seconds(self) -> float:
        """Since the first part began."""
        return time.perf_counter() - self._begun


def _run(command: Sequence[str], *, quiet: bool) -> subprocess.CompletedProcess[str]:
    if quiet:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return subprocess.run(command, text=True, check=False)
