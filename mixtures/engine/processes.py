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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

from mix665k.mixtures.engine.tasks import Done, Failed, Listener, Task, outcome, pieces
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.processes import choose_socket_folder, jobs_for_open_files

_POLL_S = 0.2
_FAREWELL_S = 2.0


class _Moved(NamedTuple):
    label: str
    num_bytes: int
    records: int


def run_in_processes(tasks: Sequence[Task], *, jobs: int, preload: str, listener: Listener) -> dict[str, Done]:
    """What every task gives, by its label: the first ones first, `jobs` at a time.

    Their processes have imported the module `preload` when they begin.

    Raises:
        UserError: as soon as one of them fails; the others are stopped.
    """
    context, jobs = server_context(preload), jobs_for_open_files(jobs)
    waiting = list(reversed(tasks))
    running: dict[Any, _Running] = {}
    finished: dict[str, Done] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                _start(partial(_work, task), running, context=context, who=f"{task.label}: its process")
            for pipe in connection.wait(list(running), _POLL_S):  # in pieces, so that Ctrl-C is seen
                message = _received(pipe, running)
                if isinstance(message, _Moved):
                    listener.moved(*message)
                elif isinstance(message, Done):
                    running.pop(pipe).process.join()
                    finished[message.label] = message
                    listener.finished(message)
                else:
                    assert isinstance(message, Failed), message
                    raise message.raised
    finally:
        _end(running)
    return finished


class _Running(NamedTuple):
    who: str
    process: BaseProcess


def _start(
    target: Callable[[Any], None], running: dict[Any, _Running], *, context: SpawnContext | ForkServerContext, who: str
) -> Any:
    """Start a process that gets one end of a pipe, and note it under the other end, which is given."""
    # A pipe for each, not a queue for all: it ends when its process does, and needs no semaphore. Those are known to
    # Python's resource tracker, which prints tracebacks of KeyErrors once it was killed.
    with starting():
        ours, theirs = context.Pipe()
        process: BaseProcess = context.Process(target=target, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        running[ours] = _Running(who, process)
    return ours


def _received(pipe: Any, running: Mapping[Any, _Running]) -> Any:
    """The next message of a process.

    Raises:
        MixtureError: when it ended without one.
    """
    try:
        return pipe.recv()
    except (EOFError, ConnectionError):
        who, process = running[pipe]
        process.join()
        code = process.exitcode
        why = f"killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        raise MixtureError(f"{who} was {why}; out of memory? try --jobs 1") from None


def _end(running: Mapping[Any, _Running]) -> None:
    """End what is left: each has a moment to remove what it was writing."""
    for _, process in running.values():
        process.terminate()
    patience = time.monotonic() + _FAREWELL_S
    for pipe, (_, process) in running.items():
        process.join(max(patience - time.monotonic(), 0))
        process.kill()
        process.join()
        pipe.close()


def _send(pipe: Any, message: Any) -> None:
    try:
        pipe.send(message)
    except ConnectionError:  # nobody listens any more: the parent was killed
        os._exit(1)


def _work(task: Task, pipe: Any) -> None:
    die_with_parent()
    _send(pipe, outcome(task, lambda num_bytes, records: _send(pipe, _Moved(task.label, num_bytes, records))))


def server_context(preload: str) -> SpawnContext | ForkServerContext:
    """Processes that share nothing but the imports of a module; where there is no fork server each imports anew."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    choose_socket_folder()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    with interrupt_later(), _start_errors():
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
    with interrupt_later(), _start_errors():
        main.pop("__file__", None)
        main["__spec__"] = None
        try:
            yield
        finally:
            main.update(hidden)


@contextmanager
def _start_errors() -> Iterator[None]:
    """One line for a process that cannot be started.

    That may be a BrokenPipeError, which elsewhere means that whoever read our output has left, or an EOFError, when the
    fork server was killed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "resource_tracker")  # it was killed, and is started again
        try:
            yield
        except (EOFError, OSError) as error:
            why = os_reason(error) if isinstance(error, OSError) else "the process that starts them was killed"
            raise MixtureError(
                f"processes cannot be started: {why}; too little memory, or too few processes or files allowed? "
                "try --jobs 1"
            ) from None


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
    """End this process when the one that started it is killed: the next run may already be writing here.

    When it is only told to end, as when another one has failed, it removes what it was writing.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    threading.Thread(target=_wait_and_die, daemon=True).start()


def _wait_and_die() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


Item = TypeVar("Item")
Result = TypeVar("Result")
_PIECE = 16


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
    chunks = pieces(items, at_once=jobs, most=_PIECE)
    if not chunks:
        return []
    context = server_context(preload)
    running: dict[Any, _Running] = {}
    done: dict[int, list[Result]] = {}
    left = iter(enumerate(chunks))

    def give(pipe: Any) -> None:
        if (task := next(left, None)) is not None:
            with suppress(ConnectionError):  # of a process that was killed: the end of its pipe says so
                pipe.send(task)

    try:
        for _ in range(min(jobs_for_open_files(jobs), len(chunks))):
            give(_start(partial(_map, work), running, context=context, who="one of its processes"))
        while len(done) < len(chunks):
            for pipe in connection.wait(list(running), _POLL_S):
                number, found = _received(pipe, running)
                if isinstance(found, Exception):
                    raise found
                done[number] = found
                advance(len(chunks[number]) / len(items))
                give(pipe)
    finally:
        _end(running)
    return [result for number in range(len(chunks)) for result in done[number]]


def _map(work: Callable[[Sequence[Item]], list[Result]], pipe: Any) -> None:
    die_with_parent()
    warnings.simplefilter("ignore")  # Pillow's remarks on single files
    with suppress(EOFError):
        while True:
            number, chunk = pipe.recv()
            found: list[Result] | Exception
            try:
                found = work(chunk)
            except Exception as error:  # noqa: BLE001, raised where the results are put together
                error.add_note(traceback.format_exc())
                found = error
            _send(pipe, (number, found))
