"""Threads that work through a list, and end when the run does."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeVar

from mix665k.mixtures.fetch.web import StoppedError

Item = TypeVar("Item")
Done = TypeVar("Done")
_POLL_S = 0.2
_FAREWELL_S = 3.0
"""How long threads may take to notice the end; what one has written of a part stays there anyway."""


class _Ended(NamedTuple):
    error: BaseException | None


_NO_MORE = _Ended(None)


def in_threads(
    work: Callable[[Item], Done], items: Iterable[Item], *, jobs: int, stop: threading.Event
) -> Generator[Done, None, None]:
    """What `work` gives for each item, as they finish, `jobs` at a time; `stop` is set when that ends too soon."""
    results: SimpleQueue[Done | _Ended] = SimpleQueue()
    waiting, lock = iter(items), threading.Lock()

    def run() -> None:
        results.put(_Ended(_work_through(work, waiting=waiting, lock=lock, stop=stop, give=results.put)))

    threads = [threading.Thread(target=run, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        ended = 0
        while ended < jobs:
            result = _next(results)
            if not isinstance(result, _Ended):
                yield result
                continue
            ended += 1
            if result.error is not None:
                raise result.error
    except BaseException:
        stop.set()
        raise
    finally:
        for thread in threads:
            thread.join(_FAREWELL_S / jobs)


def _next(results: "SimpleQueue[Done | _Ended]") -> Done | _Ended:
    """Waiting in pieces: a Ctrl-C that comes as a wait without end begins would never be heard of."""
    while True:
        try:
            return results.get(timeout=_POLL_S)
        except Empty:
            continue


def _work_through(
    work: Callable[[Item], Done],
    *,
    waiting: Iterator[Item],
    lock: threading.Lock,
    stop: threading.Event,
    give: Callable[[Done], None],
) -> BaseException | None:
    """Take items until there are none or the run ends; what goes wrong is the answer."""
    try:
        while not stop.is_set():
            with lock:
                item = next(waiting, _NO_MORE)
            if isinstance(item, _Ended):
                return None
            give(work(item))
    except StoppedError:
        return None
    except BaseException as error:  # noqa: BLE001, raised where the results are awaited
        return error
    return None
