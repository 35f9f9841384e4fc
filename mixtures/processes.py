"""Running the sources of a plan side by side, one process each."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import Any, NamedTuple, Protocol

from builders.bind import BoundSource
from mixtures.plan import Options, Plan, named_by
from mixtures.worker import build_source
from schemas.errors import MixtureError, UserError
from schemas.manifest import SourceEntry

_POLL_S = 0.2


class Watcher(Protocol):
    """Sees a build go on."""

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """A source has read so many more bytes and written so many more records."""

    def finished(self, result: "Result") -> None:
        """A source is complete."""


class Result(NamedTuple):
    """A built source, whether it was there already, and how long it took."""

    entry: SourceEntry
    reused: bool
    seconds: float


class _Moved(NamedTuple):
    label: str
    num_bytes: int
    records: int


class _Failed(NamedTuple):
    label: str
    error: UserError | None
    trace: str


def run_sources(plan: Plan, *, jobs: int, watcher: Watcher) -> dict[str, Result]:
    """Build every source of a plan, the longest first, `jobs` at a time.

    Raises:
        UserError: as soon as one of them fails; the others are stopped.
    """
    context = _context()
    messages = context.Queue()
    waiting = sorted(plan.sources, key=_cost)
    running: dict[str, BaseProcess] = {}
    results: dict[str, Result] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                bound = waiting.pop()
                process: BaseProcess = context.Process(target=_work, args=(bound, plan.options, messages), daemon=True)
                with _interrupt_later():
                    process.start()
                    running[bound.block.label] = process
            message = _next(messages, running)
            if isinstance(message, _Moved):
                watcher.moved(*message)
            elif isinstance(message, Result):
                results[message.entry.name] = message
                running.pop(message.entry.name).join()
                watcher.finished(message)
            elif isinstance(message, _Failed):
                raise message.error or RuntimeError(message.trace)
    finally:
        for process in running.values():
            process.terminate()
            process.join()
    return results


def _context() -> SpawnContext | ForkServerContext:
    """Processes that share nothing but imports; where there is no fork server each imports anew."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mixtures.worker"])
    with _interrupt_later():
        resource_tracker.ensure_running()  # unblocks signals as it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        forkserver.ensure_running()  # it and its processes inherit this: Ctrl-C is for the build, which ends them
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


@contextmanager
def _interrupt_later() -> Iterator[None]:
    """Put Ctrl-C off: nobody would end a process that it leaves half started. Only the main thread sees it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        signal.raise_signal(seen[0])


def _cost(bound: BoundSource) -> tuple[bool, int]:
    """What tells how long a source takes: whether it is tokenised, and the size of its files."""
    num_bytes = sum(path.stat().st_size for path in set(bound.files.values()))
    return bool(named_by(bound.steps, "tokenizer")), num_bytes


def _next(messages: Any, running: dict[str, BaseProcess]) -> Any:
    """The next message, or None; a process that died without one is an error."""
    dead = [label for label, process in running.items() if process.exitcode not in (None, 0)]
    try:
        return messages.get(timeout=_POLL_S)
    except Empty:
        for label in dead:
            code = running[label].exitcode
            why = f"killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
            raise MixtureError(f"{label}: its process was {why}; out of memory? try --jobs 1") from None
        return None


def _work(bound: BoundSource, options: Options, messages: Any) -> None:
    label = bound.block.label
    begun = time.perf_counter()

    def report(num_bytes: int, records: int) -> None:
        messages.put(_Moved(label, num_bytes, records))

    threading.Thread(target=_die_with_build, daemon=True).start()
    try:
        entry, reused = build_source(bound, options, report)
        messages.put(Result(entry, reused, time.perf_counter() - begun))
    except UserError as error:
        messages.put(_Failed(label, error, ""))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        messages.put(_Failed(label, MixtureError(f"{error.filename or options.out}: {why}"), ""))
    except Exception:  # noqa: BLE001, a defect of ours: the build shows it whole
        messages.put(_Failed(label, None, traceback.format_exc()))


def _die_with_build() -> None:
    """End this process when the build is killed: the next one may already be writing here."""
    build = multiprocessing.parent_process()
    assert build is not None
    connection.wait([build.sentinel])
    os._exit(1)
