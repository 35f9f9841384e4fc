"""Threads that work through a list: all of it, no more at once than asked for, and not beyond the end of a run."""

import threading
from contextlib import closing

import pytest

from mix665k.mixtures.fetch.web import StoppedError
from mix665k.mixtures.fetch.workers import in_threads


def test_every_item_is_done_once() -> None:
    done = in_threads(lambda number: number * number, range(50), jobs=4, stop=threading.Event())
    assert sorted(done) == [number * number for number in range(50)]


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(in_threads(str, [], jobs=3, stop=threading.Event())) == []


def test_as_many_are_at_work_as_asked_for() -> None:
    together = threading.Barrier(3, timeout=10)
    results = in_threads(lambda _: together.wait(), range(6), jobs=3, stop=threading.Event())
    assert sorted(results) == [0, 0, 1, 1, 2, 2]


def test_no_more_are_at_work_than_asked_for() -> None:
    lock, at_work, most = threading.Lock(), [0], [0]

    def work(_: int) -> None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.002)
        with lock:
            at_work[0] -= 1

    list(in_threads(work, range(30), jobs=2, stop=threading.Event()))
    assert most == [2]


def test_an_error_is_raised_and_ends_the_others() -> None:
    stop = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            raise ZeroDivisionError(number)
        return number

    with pytest.raises(ZeroDivisionError):
        list(in_threads(work, range(1_000_000), jobs=2, stop=stop))
    assert stop.is_set()


def test_who_stops_listening_ends_the_run() -> None:
    stop = threading.Event()
    begun: list[int] = []
    with closing(in_threads(begun.append, range(1_000_000), jobs=2, stop=stop)) as results:
        next(results)
    assert stop.is_set()
    assert len(begun) < 1_000_000


def test_work_that_hears_of_the_end_is_no_error() -> None:
    def work(number: int) -> int:
        if number:
            raise StoppedError
        return number

    assert list(in_threads(work, [0, 1, 2], jobs=1, stop=threading.Event())) == [0]
