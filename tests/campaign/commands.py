"""Commands of `mix` as a case runs them, in this process or in one of its own, and what they said."""

import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from mix665k.cli import mix
from tests.campaign.case import Verdict

BIN = Path(sys.executable).parent


class Said(NamedTuple):
    """What a command printed, the code that it ended with, and the traceback of an exception that came out."""

    code: int
    out: str
    errors: str
    trace: str = ""

    def verdict(self, *, names: Collection[str] = (), may_pass: bool = True, finds: bool = False) -> Verdict:
        """Whether it passed, or refused in one printable line that holds one of `names`.

        A command that `finds` ends with 1 and without a line when it has found something.
        """
        if self.trace or "Traceback (most recent call last)" in self.errors:
            return Verdict(None, "traceback", (self.trace or self.errors)[-1500:])
        if bad := next((text for text in (self.out, self.errors) if not _is_printable(text)), None):
            return Verdict(None, "noisy", repr(bad)[-500:])
        if self.code == 0:
            return Verdict("passed") if may_pass else Verdict("passed", "silent", self.out[-500:])
        if finds and self.code == 1 and not self.errors:
            return Verdict("other")
        lines = [line for line in self.errors.splitlines() if line.startswith(("error: ", "Error: "))]
        if self.code not in (1, 2) or (self.code == 1 and len(lines) != 1):
            return Verdict("refused", "noisy", f"exit {self.code}: {self.errors[-500:]}")
        if names and self.code == 1 and not any(name in lines[0] for name in names):
            return Verdict("refused", "nameless", lines[0])
        return Verdict("refused", None, self.errors[-300:])


def _is_printable(text: str) -> bool:
    return all(line.replace("\t", "").isprintable() for line in text.splitlines())


def said(*arguments: str | Path, given: str = "") -> Said:
    """What `mix` says in this process; `given` is typed in."""
    done = CliRunner().invoke(mix, [str(one) for one in arguments], input=given)
    error = done.exception
    unexpected = error is not None and not isinstance(error, SystemExit)
    trace = "".join(traceback.format_exception(error)) if unexpected and error else ""
    return Said(done.exit_code, done.stdout, done.stderr, trace)


def start(
    *arguments: str | Path,
    program: str = "mix",
    environment: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
    out: int = subprocess.PIPE,
    limit: tuple[int, int] | None = None,
) -> "subprocess.Popen[str]":
    """`mix`, or `train`, in a process, and a group, of its own.

    `before` is a command that starts it, `limit` a resource and its most.
    """

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(limit[0], (limit[1], limit[1]))

    return subprocess.Popen(
        [*before, str(BIN / program), *(str(one) for one in arguments)],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        start_new_session=True,
        preexec_fn=restrict,
    )


def ended(process: "subprocess.Popen[str]", *, timeout_s: float = 120.0) -> Said:
    """What a started command said when it has ended."""
    out, errors = process.communicate(timeout=timeout_s)
    return Said(process.returncode, out or "", errors)
