"""Tasks, what they give and how they fail: the same on processes of this machine and on Ray."""

import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mix665k.schemas.errors import OUT_OF_MEMORY, MixtureError, UserError, os_reason

Report = Callable[[int, int], None]
"""Hears of raw bytes read and records made since its last call."""


class Task(NamedTuple):
    """Work under a label of its own; an error of the system that names no file is put down to `where`."""

    label: str
    work: Callable[[Report], Any]
    where: Path


class OnRay(NamedTuple):
    """A Ray cluster by its address; by default that of RAY_ADDRESS, or a cluster of this machine alone."""

    address: str | None = None


class Done(NamedTuple):
    """What a task gave, and how long it took."""

    label: str
    result: Any
    seconds: float


class Listener(Protocol):
    """Is told how tasks go on, in the process that started them."""

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """A task has read so many more bytes and made so many more records."""

    def finished(self, done: Done) -> None:
        """A task is complete."""


class Unwatched:
    """Watches a build and shows nothing."""

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """See `Listener`."""

    def finished(self, done: Done) -> None:
        """See `Listener`."""


class Failed(NamedTuple):
    """Why a task gave nothing: an error for the user, or the trace of a defect of ours."""

    error: UserError | None
    trace: str

    @property
    def raised(self) -> Exception:
        """The error to raise."""
        return self.error or RuntimeError(self.trace)


def outcome(task: Task, report: Report) -> Done | Failed:
    """What a task gives, or why it fails."""
    begun = time.perf_counter()
    try:
        return Done(task.label, task.work(report), time.perf_counter() - begun)
    except UserError as error:
        return Failed(error, "")
    except OSError as error:
        return Failed(MixtureError(f"{error.filename or task.where}: {os_reason(error)}"), "")
    except MemoryError:
        return Failed(MixtureError(f"{task.label}: {OUT_OF_MEMORY}"), "")
    except Exception:  # noqa: BLE001, a defect of ours: the command shows it whole
        return Failed(None, traceback.format_exc())


class Totals:
    """Passes on what all tasks report together."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def moved(self, label: str, num_bytes: int, records: int) -> None:  # noqa: ARG002, all tasks alike
        """See `Listener`."""
        self._report(num_bytes, records)

    def finished(self, done: Done) -> None:
        """See `Listener`."""


def pieces(items: Sequence[Any], *, at_once: int, most: int) -> list[Sequence[Any]]:
    """The items some at a time: eight pieces or more for each of those that work `at_once`."""
    size = max(1, min(most, len(items) // (at_once * _PIECES_EACH)))
    return [items[start : start + size] for start in range(0, len(items), size)]


_PIECES_EACH = 8
