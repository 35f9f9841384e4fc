"""Running tasks side by side, one process each, from a fork server.

A process for each task, as its memory is given back when it ends and a crash names its task; from a fork server, as
what they import is then imported once, and threads of the caller cannot make a fork hang.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any, NamedTuple, Protocol, TypeVar

from mix665k.schemas.errors import MixtureError, UserError, os_reason
from mix665k.schemas.processes import choose_socket_folder

_POLL_S = 0.2

Report = Callable[[int, int], None]
"""Hears of raw bytes read and records made since its last call."""


class Task(NamedTuple):
    """Work under a label of its own; an error of the system that names no file is put down to `where`."""

    label: str
    work: Callable[[Report], Any]
    where: Path


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


class _Moved(NamedTuple):
    label: str
    num_bytes: int
    records: int


class _Failed(NamedTuple):
    error: UserError | None
    trace: str


def run_tasks(tasks: Sequence[Task], *, jobs: int, preload: str, listener: Listener) -> dict[str, Done]:
    """What every task gives, by its label: the first ones first, `jobs` at a time.

    Their processes have imported the module `preload` when they begin.

    Raises:
        UserError: as soon as one of them fails; the others are stopped.
    """
    context = server_context(preload)
    messages = context.Queue()
    waiting = list(reversed(tasks))
    running: dict[str, BaseProcess] = {}
    finished: dict[str, Done] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                process: BaseProcess = context.Process(target=_work, args=(task, messages), daemon=True)
                with starting():
                    process.start()
                    running[task.label] = process
            message = _next(messages, running)
            if isinstance(message, _Moved):
                listener.moved(*message)
            elif isinstance(message, Done):
                running.pop(message.label).join()
                finished[message.label] = message
                listener.finished(message)
            elif isinstance(message, _Failed):
                raise message.error or RuntimeError(message.trace)
    finally:
        for process in running.values():
            process.terminate()
            process.join()
    return finished


class _Totals:
    """Passes on what all tasks report together."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def moved(self, label: str, num_bytes: int, records: int) -> None:  # noqa: ARG002, all tasks alike
        """See `Listener`."""
        self._report(num_bytes, records)

    def finished(self, done: Done) -> None:
        """See `Listener`."""


def gather(tasks: Sequence[Task], *, jobs: int, preload: str, report: Report) -> dict[str, Any]:
    """What every task gives, by its label, see `run_tasks`; `report` is called for all of them."""
    done = run_tasks(tasks, jobs=jobs, preload=preload, listener=_Totals(report))
    return {label: one.result for label, one in done.items()}


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


def _work(task: Task, messages: Any) -> None:
    begun = time.perf_counter()
    die_with_parent()
    try:
        result = task.work(lambda num_bytes, records: messages.put(_Moved(task.label, num_bytes, records)))
        messages.put(Done(task.label, result, time.perf_counter() - begun))
    except UserError as error:
        messages.put(_Failed(error, ""))
    except OSError as error:
        why = os_reason(error)
        messages.put(_Failed(MixtureError(f"{error.filename or task.where}: {why}"), ""))
    except Exception:  # noqa: BLE001, a defect of ours: the command shows it whole
        messages.put(_Failed(None, traceback.format_exc()))


def server_context(preload: str) -> SpawnContext | ForkServerContext:
    """Processes that share nothing but the imports of a module; where there is no fork server each imports anew."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    choose_socket_folder()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    with interrupt_later():
        resource_tracker.ensure_running()  # unblocks signals as it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        forkserver.ensure_running()  # it and its processes inherit this: Ctrl-C is for their parent, which ends them
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


@contextmanager
def starting() -> Iterator[None]:
    """Start processes in this block: Ctrl-C is put off, and they do not run the user's script again.

    multiprocessing imports the main script in every process that it starts, for functions defined there. A script that
    builds a mixture, and has no `if __name__ == "__main__"`, would so begin a build in each of its own workers. Our
    tasks are functions of importable modules, so the script is hidden while a process is started.
    """
    main = sys.modules["__main__"].__dict__
    hidden: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    with interrupt_later():
        main.pop("__file__", None)
        main["__spec__"] = None
        try:
            yield
        finally:
            main.update(hidden)


@contextmanager
def interrupt_later() -> Iterator[None]:
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


def die_with_parent() -> None:
    """End this process when the one that started it is killed: the next run may already be writing here."""
    threading.Thread(target=_wait_and_die, daemon=True).start()


def _wait_and_die() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


Item = TypeVar("Item")
Result = TypeVar("Result")
_PIECE = 16
_PIECES_PER_PROCESS = 8


def map_in_processes(
    work: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    *,
    jobs: int,
    preload: str,
    advance: Callable[[float], None],
) -> list[Result]:
    """What `work` gives for each item, in their order; it gets some of them at a time.

    Raises:
        MixtureError: when a process is killed.
    """
    size = max(1, min(_PIECE, len(items) // (jobs * _PIECES_PER_PROCESS)))
    chunks = list(_chunks(items, size))
    done: list[Result] = []
    if not chunks:
        return done
    pool = ProcessPoolExecutor(min(jobs, len(chunks)), mp_context=server_context(preload), initializer=_begin_mapping)
    try:
        with starting():
            futures: list[Future[list[Result]]] = [pool.submit(work, chunk) for chunk in chunks]
        for chunk, future in zip(chunks, futures, strict=True):
            done += future.result()
            advance(len(chunk) / len(items))
    except BrokenProcessPool:
        raise MixtureError("one of its processes was killed; out of memory? try --jobs 1") from None
    finally:
        pool.shutdown(cancel_futures=True)
    return done


def _chunks(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _begin_mapping() -> None:
    die_with_parent()
    warnings.simplefilter("ignore")  # Pillow's remarks on single files
