"""Asking web servers patiently: which failures may pass, and how long to wait before the next try."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar

import httpx2

from mix665k.mixtures.fetch.pace import Pace, begin_body, keep_pace
from mix665k.schemas.errors import FetchError, one_line

Answer = TypeVar("Answer")
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
_PROGRESS_BYTES = 1 << 16
"""So many bytes more than at the last failure, and the count of failures starts over."""
_CONNECT_S = 15.0
_REDIRECTS = 10
_SIZE = re.compile("[0-9]{1,18}")
"""What a size in a header may be; Python refuses to convert 5,000 digits."""
_ERRNO = re.compile(r"^\[errno -?\d+\] ")


class Patience(NamedTuple):
    """`retries` without progress; waits double from `first_s` to `longest_s`, which caps what a server asks for too.

    A server has failed that sends nothing for `silence_s`, takes longer for its header, or then sends fewer bytes than
    `bytes_per_s` over that time.
    """

    retries: int = 5
    first_s: float = 1.0
    longest_s: float = 120.0
    silence_s: float = 60.0
    bytes_per_s: float = 1000.0


class TransientError(Exception):
    """A failure that may pass; `wait_s` is how long the server asks to be left alone."""

    def __init__(self, why: str, *, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class StoppedError(Exception):
    """The run is being ended."""


class RefusedError(FetchError):
    """A server says no, and would say so again."""

    def __init__(self, why: str, *, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


def open_client(patience: Patience, *, connections: int) -> httpx2.Client:
    """A client that takes proxies from the environment and bytes as they are; threads may share it.

    Raises:
        FetchError: for a proxy that cannot be used.
    """
    timeout = httpx2.Timeout(patience.silence_s, connect=min(_CONNECT_S, patience.silence_s), pool=None)
    try:
        client = httpx2.Client(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"User-Agent": "mix665k", "Accept-Encoding": "identity"},
        )
    except ImportError:
        raise FetchError("the environment names a SOCKS proxy, which needs `pip install 'httpx2[socks]'`") from None
    except (ValueError, httpx2.InvalidURL) as error:
        raise FetchError(f"the environment names a proxy that cannot be used: {_reason_of(error)}") from None
    keep_pace(client, Pace(patience.silence_s, patience.bytes_per_s))
    return client


@contextmanager
def response_to(client: httpx2.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """The answer to a GET, its body still to be read.

    Raises:
        TransientError: for a failure that may pass, also while the body is read.
        RefusedError: for one that will not.
    """
    try:
        response = _final(client, client.build_request("GET", url, headers=dict(headers)))
        try:
            if response.status_code >= 300:
                raise _failure(response)
            _require_file(response)
            begin_body(response)
            yield response
        finally:
            response.close()
    except httpx2.InvalidURL as error:
        raise RefusedError(f"{url}: no address: {_reason_of(error)}") from None
    except httpx2.UnsupportedProtocol as error:
        raise RefusedError(f"{url}: {_reason_of(error)}; only http and https are followed") from None
    except httpx2.TransportError as error:
        raise TransientError(f"{url}: {_reason_of(error)}") from None


def _final(client: httpx2.Client, request: httpx2.Request) -> httpx2.Response:
    """The answer at the end of all redirects; the bodies on the way, which may have no end, are not read."""
    first = request.url
    for _ in range(_REDIRECTS + 1):
        try:
            response = client.send(request, stream=True)
        except ValueError as error:  # a host of 300 letters (UnicodeError), a length of 5,000 digits
            raise RefusedError(
                f"{request.url}: no address or no answer that can be used: {_reason_of(error)}"
            ) from None
        if not response.has_redirect_location:
            return response
        response.close()
        if response.next_request is None:
            raise RefusedError(f"{request.url}: redirects to {response.headers['Location']!r}, which is no address")
        request = response.next_request
    raise RefusedError(f"{first}: more than {_REDIRECTS} redirects; only http and https are followed")


def with_retries(
    attempt: Callable[[], Answer], *, patience: Patience, stop: threading.Event, done: Callable[[], int] = lambda: 0
) -> Answer:
    """What an attempt gives, made again while its trouble may pass; `done` is how many bytes there are so far.

    Raises:
        FetchError: when all tries failed.
        StoppedError: when the run ends.
    """
    failures, before = 0, done()
    while True:
        try:
            return attempt()
        except TransientError as trouble:
            now = done()
            failures = 1 if now >= before + _PROGRESS_BYTES else failures + 1
            before = now
            if failures > patience.retries:
                tries = f"{failures} tries" if failures > 1 else "the only try"
                raise FetchError(f"{trouble}; {tries} failed, run the command again later") from None
            if stop.wait(_pause(patience, failures, trouble.wait_s)):
                raise StoppedError from None


def _pause(patience: Patience, failures: int, asked_s: float | None) -> float:
    """Seconds until the next try; half of it is drawn, so that many who failed at once do not return at once."""
    if asked_s is not None:
        return min(max(asked_s, 0.0), patience.longest_s)
    return min(patience.longest_s, patience.first_s * 2.0 ** (failures - 1)) * random.uniform(0.5, 1)


def _failure(response: httpx2.Response) -> TransientError | RefusedError:
    why = f"{response.url}: HTTP {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in MAY_PASS:
        return TransientError(why, wait_s=_retry_after(response.headers.get("Retry-After", "")))
    return RefusedError(why, status=response.status_code)


def length_of(response: httpx2.Response) -> int | None:
    """How many bytes the body has, where its header says so."""
    length = response.headers.get("Content-Length")
    return None if length is None else int(length)


def _require_file(response: httpx2.Response) -> None:
    length = response.headers.get("Content-Length")
    if length is not None and "Transfer-Encoding" in response.headers:
        raise RefusedError(f"{response.url}: says a length and sends chunks, expected one of them; a proxy in between?")
    if length is not None and not _SIZE.fullmatch(length):
        raise RefusedError(f"{response.url}: a length that no file has: {length!r}")
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
        raise RefusedError(f"{response.url}: a web page came, expected a file; a login or a proxy in between?")
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity" and not response.url.path.endswith((".gz", ".zip")):  # those are told to be coded by some
        raise RefusedError(f"{response.url}: came in {coding}, expected as it is")


def _retry_after(text: str) -> float | None:
    """Seconds, from a number of them or a date."""
    if _SIZE.fullmatch(text):
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, OSError):  # the last two from years that the system cannot count
        return None


def _reason_of(error: Exception) -> str:
    return _ERRNO.sub("", one_line(error).lower())


class RateLimit:
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
