"""Asking one server no faster than is polite."""

import threading
import time

from mix665k.mixtures.fetch.web import StoppedError


class Pace:
    """Lets so many requests a second begin, whichever threads make them."""

    def __init__(self, per_second: float) -> None:
        self._gap_s = 1 / per_second
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, stop: threading.Event) -> None:
        """Return when the next request may begin.

        Raises:
            StoppedError: when the run ends before.
        """
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + self._gap_s
        if stop.wait(max(at - time.monotonic(), 0)):
            raise StoppedError

    def hold(self, seconds: float) -> None:
        """Let no request begin for a while."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
