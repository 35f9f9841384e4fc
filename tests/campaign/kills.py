"""Commands that write, killed at a random moment, then run again."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import psutil

from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.commands import Said, ended, start
from tests.campaign.workplace import SUFFIX, WRITING, hub, leftovers, workplace

BUILDS = 3
"""Builds among ten cases; the other commands take turns in the rest."""
_OTHERS = [*(name for name in WRITING if name != "build"), "publish"]
_PUBLISH = ("me/mix", "--jobs", "2")


class Whole(NamedTuple):
    """An undisturbed run: what it wrote, and how long it took."""

    content: str | None
    seconds: float


def out_of(name: str, folder: Path, *, prepared: bool = True) -> Path:
    """Where a command writes in a folder; `images --fix` finds a copy of the pictures there."""
    out = folder / f"out{SUFFIX.get(name, '')}"
    if name == "images fix" and prepared:
        shutil.copytree(workplace() / "images", out)
    return out


@cache
def whole(name: str) -> Whole:
    """The command run to its end in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="campaign-whole-") as work:
        begun = time.monotonic()
        if name == "publish":
            with hub(Path(work)) as (variables, content):
                done = ended(start("publish", workplace() / "mixture", *_PUBLISH, environment=variables))
                found = content()
        else:
            out = out_of(name, Path(work))
            begun = time.monotonic()
            done = ended(WRITING[name].start(out))
            found = WRITING[name].content(out)
        assert found is not None, done
        return Whole(found, time.monotonic() - begun)


def make(number: int, seed: int, folder: Path) -> Case:
    """A command, the moment at which it is killed, and which of its processes."""
    rng = Random(f"kills/{seed}/{number}")
    turn, place = divmod(number, 10)
    name = "build" if place < BUILDS else _OTHERS[(turn * (10 - BUILDS) + place - BUILDS) % len(_OTHERS)]
    share, victim = rng.uniform(0.05, 1.05), rng.choice(("itself", "its group", "one of its processes"))
    what = f"{victim} after {share:.0%} of its time"
    if name == "publish":
        return Case(name, what, lambda: _judged_publish(share, victim, folder))
    return Case(name, what, lambda: _judged(name, share, victim, folder))


def _killed(process: "subprocess.Popen[str]", after_s: float, victim: str) -> Said | None:
    """Kill the victim after a while; what the command said when only one of its processes was killed."""
    time.sleep(after_s)
    if process.poll() is not None:
        return ended(process)
    if victim == "its group":
        os.killpg(process.pid, signal.SIGKILL)
    elif victim == "itself":
        process.kill()
    else:
        with suppress(psutil.NoSuchProcess):  # it, or one that it started, has ended meanwhile
            inner = [one for one in psutil.Process(process.pid).children(recursive=True) if not one.children()]
            (random.choice(inner) if inner else psutil.Process(process.pid)).kill()
        return ended(process)
    process.communicate(timeout=30)
    return None


def _judged(name: str, share: float, victim: str, folder: Path) -> Verdict:
    expected, writing = whole(name), WRITING[name]
    out = out_of(name, folder)
    said = _killed(writing.start(out), share * expected.seconds, victim)
    if said is not None and (verdict := said.verdict(finds=True)).fault and said.code != -signal.SIGKILL:
        return verdict
    many = name in ("fetch", "images fix", "synth")  # many files, so the folder is there before all of them are
    if not many and (found := writing.content(out)) not in (None, expected.content):
        return Verdict(None, "half", f"{out.name} looks finished and is another: {found}")
    again = ended(writing.start(out))
    if again.verdict(finds=True).fault or again.code not in (0, 1):
        return Verdict(None, "half", f"the second run: exit {again.code}: {again.errors[-500:]}")
    if writing.content(out) != expected.content:
        return Verdict(
            None, "half", f"the second run gives {writing.content(out)}, expected {expected.content}: {again}"
        )
    left = leftovers(folder)
    return Verdict("passed", "leftover" if left else None, ", ".join(left))


def _judged_publish(share: float, victim: str, folder: Path) -> Verdict:
    expected = whole("publish")
    with hub(folder) as (variables, content):
        arguments = ("publish", workplace() / "mixture", *_PUBLISH)
        _killed(start(*arguments, environment=variables), share * expected.seconds, victim)
        if (found := content()) not in (None, expected.content):
            return Verdict(None, "half", f"the Hub shows {found}")
        again = ended(start(*arguments, environment=variables))
        if again.code or content() != expected.content:
            return Verdict(None, "half", f"exit {again.code}: {again.errors[-500:]}; {content()}")
    return Verdict("passed")


KIND = Kind(
    name="kills",
    about="`mix build`, `export`, `fetch`, `contamination --drop-to`, `inspect --html`, `images --fix`, `select`, "
    "`synth`, `publish` and `train export` killed with SIGKILL at a random moment (the command, its process group, or "
    "one of its processes), then run again: nothing half done looks finished, the second run gives the same, no "
    "temporary file stays",
    cases=340,
    make=make,
    limit_s=300.0,
    limited=False,
)
