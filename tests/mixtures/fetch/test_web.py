"""Trying again: which trouble is waited out, for how long, and how fast one server is asked."""

import threading
import time
from collections.abc import Callable

import pytest

from mix665k.mixtures.fetch.web import Patience, RateLimit, RefusedError, StoppedError, TransientError, with_retries
from mix665k.schemas.errors import FetchError

QUICK = Patience(retries=3, first_s=0.0, longest_s=0.0)


class Pauses(threading.Event):
    """An event that notes how long somebody waits for it, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """See `threading.Event`."""
        assert timeout is not None
        self.waited.append(timeout)
        return self.is_set()


def failing(times: int, *, wait_s: float | None = None) -> Callable[[], str]:
    """An attempt that fails so many times."""
    left = [times]

    def attempt() -> str:
        if left[0]:
            left[0] -= 1
            raise TransientError("http://x: HTTP 503", wait_s=wait_s)
        return "bytes"

    return attempt


def test_trouble_that_passes_is_not_seen() -> None:
    assert with_retries(failing(3), patience=QUICK, stop=threading.Event()) == "bytes"


def test_after_the_last_retry_the_trouble_is_an_error() -> None:
    with pytest.raises(FetchError, match="HTTP 503; 4 tries failed, run the command again later"):
        with_retries(failing(4), patience=QUICK, stop=threading.Event())


def test_progress_begins_the_count_of_failures_again() -> None:
    sizes = iter(range(0, 10_000_000, 100_000))
    assert with_retries(failing(20), patience=QUICK, stop=threading.Event(), done=lambda: next(sizes)) == "bytes"


def test_a_few_bytes_are_no_progress() -> None:
    sizes = iter(range(100))
    with pytest.raises(FetchError, match="4 tries failed"):
        with_retries(failing(20), patience=QUICK, stop=threading.Event(), done=lambda: next(sizes))


def test_what_a_server_refuses_is_asked_once() -> None:
    asked: list[int] = []

    def attempt() -> str:
        asked.append(1)
        raise RefusedError("http://x: HTTP 404", status=404)

    with pytest.raises(RefusedError) as refused:
        with_retries(attempt, patience=QUICK, stop=threading.Event())
    assert (refused.value.status, asked) == (404, [1])


def test_waits_double_up_to_the_longest_and_half_of_each_is_drawn() -> None:
    pauses = Pauses()
    patience = Patience(retries=5, first_s=1.0, longest_s=6.0)
    assert with_retries(failing(5), patience=patience, stop=pauses) == "bytes"
    for waited, longest in zip(pauses.waited, [1, 2, 4, 6, 6], strict=True):
        assert longest / 2 <= waited <= longest


@pytest.mark.parametrize(("asked_s", "waited_s"), [(3.0, 3.0), (1_000.0, 6.0), (-5.0, 0.0)])
def test_a_server_may_ask_for_a_wait_but_not_for_a_longer_one(asked_s: float, waited_s: float) -> None:
    pauses = Pauses()
    with_retries(failing(1, wait_s=asked_s), patience=Patience(longest_s=6.0), stop=pauses)
    assert pauses.waited == [waited_s]


def test_a_run_that_ends_does_not_wait_for_the_next_try() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        with_retries(failing(1), patience=Patience(first_s=60.0), stop=stop)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_requests_begin_no_faster_than_the_rate(ticks: list[float]) -> None:
    limit, pauses = RateLimit(4.0), Pauses()
    for _ in range(3):
        limit.wait(pauses)
    assert pauses.waited == [0.0, 0.25, 0.5]
    ticks[0] += 10
    limit.wait(pauses)
    assert pauses.waited[3] == 0.0


def test_a_hold_delays_every_later_request(ticks: list[float]) -> None:
    limit, pauses = RateLimit(4.0), Pauses()
    limit.hold(7.0)
    limit.hold(2.0)
    limit.wait(pauses)
    limit.wait(pauses)
    assert pauses.waited == [7.0, 7.25]


def test_a_run_that_ends_begins_no_request() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        RateLimit(4.0).wait(stop)
