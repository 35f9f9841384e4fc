"""What the tests of `parallel` let other processes do; pytest's own name for a test module cannot be imported there."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from mix665k.mixtures.engine.tasks import Report
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.files import whole_file


def double(number: int, report: Report) -> int:
    report(number, 1)
    return 2 * number


def refuse(report: Report) -> None:
    raise RawDataError("x.json: empty file")


def lack(path: str, report: Report) -> None:
    raise FileNotFoundError(2, "No such file or directory", path)


def fill_up(report: Report) -> None:
    raise OSError(28, "No space left on device")


def stumble(report: Report) -> None:
    raise KeyError("a defect")


def die(report: Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path: str, report: Report) -> str:
    """Dies unless it has before."""
    if Path(path).exists():
        return "done"
    Path(path).touch()
    os._exit(3)


def write_for_ever(path: str, report: Report) -> None:
    with whole_file(Path(path)) as file:
        report(1, 0)
        while True:
            file.write(b"x")
            file.flush()
            time.sleep(0.001)


def refuse_when(path: str, report: Report) -> None:
    """Fails as soon as a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    refuse(report)


def exhaust(report: Report) -> None:
    raise MemoryError


def answers(items: Sequence[int]) -> list[int]:
    """Dies of a 7."""
    if 7 in items:
        os.kill(os.getpid(), signal.SIGKILL)
    return list(items)


def leave(report: Report) -> None:
    os._exit(3)


def wait(report: Report) -> None:
    time.sleep(60)
