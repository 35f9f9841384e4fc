"""Processes from a fork server: what they import is imported once, Ctrl-C is left to the process that started them."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any


def server_context(preload: str) -> SpawnContext | ForkServerContext:
    """Processes that share nothing but the imports of a module; where there is no fork server each imports anew."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
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
