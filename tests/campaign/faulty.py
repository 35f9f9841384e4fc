"""Cases that go wrong on purpose, to see that the campaign notices."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.campaign.case import Case, Kind, Verdict


def _sound() -> Verdict:
    return Verdict("passed")


def _die() -> Verdict:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Verdict("passed")


def _wait() -> Verdict:
    time.sleep(60)
    return Verdict("passed")


def _ask_for_much() -> Verdict:
    return Verdict("passed", None, str(len(bytearray(4 << 30))))


def _take_much() -> Verdict:
    return Verdict("passed", None, str(len(b"x" * (9 << 27))))


def _stumble() -> Verdict:
    raise KeyError("a defect")


JUDGES: tuple[tuple[Callable[[], Verdict], str | None], ...] = (
    (_sound, None),
    (_die, "crash"),
    (_wait, "hang"),
    (_ask_for_much, "memory"),
    (_take_much, "memory"),
    (_stumble, "traceback"),
    (_sound, None),
)
"""How each case is judged, and the fault that is to be counted."""


def make(number: int, seed: int, folder: Path) -> Case:
    """A case with a file in its folder."""
    (folder / "input").write_text(str(number))
    return Case("faulty", f"number {number}", JUDGES[number][0])


KIND = Kind(name="faulty", about="", cases=len(JUDGES), make=make, limit_s=4.0)
