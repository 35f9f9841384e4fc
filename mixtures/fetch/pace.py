"""Connections that give up a server which is silent, slow, or never done with its header.

A timeout of the library's is for one read: a server that sends a byte before each of them ends could go on for ever, in
the header and between the pieces of a chunked body too, where no byte of the file is seen. So the socket's reads are
counted.
"""

import time
from typing import Any, NamedTuple

import httpcore2
import httpx2

_HEADER_BYTES = 1 << 20
"""Of all headers before a body, so that informational ones (1xx) cannot come for ever."""


class Pace(NamedTuple):
    """What a server has to keep: a header within `silence_s`, then as many bytes as `bytes_per_s` gives for that time.

    Whenever so many have come, the time starts over.
    """

    silence_s: float
    bytes_per_s: float


class PacedStream(httpcore2.NetworkStream):
    """A connection whose reads fail when the server does not keep the pace; only the time spent waiting counts."""

    def __init__(self, stream: httpcore2.NetworkStream, pace: Pace) -> None:
        self._stream, self._pace = stream, pace
        self._expect(header=True)

    def _expect(self, *, header: bool) -> None:
        self._header, self._waited_s, self._num_bytes = header, 0.0, 0

    def begin_body(self) -> None:
        """The header has come: from here on bytes are the file's."""
        self._expect(header=False)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, the pace gives it
        """See `NetworkStream`."""
        begun = time.monotonic()
        try:
            data = self._stream.read(max_bytes, max(self._pace.silence_s - self._waited_s, 0.001))
        except httpcore2.ReadTimeout:
            raise httpcore2.ReadTimeout(self._fault()) from None
        self._waited_s += time.monotonic() - begun
        self._num_bytes += len(data)
        if self._header and self._num_bytes > _HEADER_BYTES:
            raise httpcore2.RemoteProtocolError("a header without end")
        if not self._header and self._num_bytes >= self._pace.bytes_per_s * self._pace.silence_s:
            self._expect(header=False)
        elif data and self._waited_s >= self._pace.silence_s:
            raise httpcore2.ReadTimeout(self._fault())
        return data

    def _fault(self) -> str:
        within = f"in {self._pace.silence_s:g} s"
        if not self._num_bytes:
            return f"nothing came {within}"
        if self._header:
            return f"no complete header {within}"
        return f"{self._num_bytes:,} bytes {within}, expected {self._pace.bytes_per_s:,g} a second or more (--min-rate)"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See `NetworkStream`; what is written is a request, so a header is next."""
        self._stream.write(buffer, timeout)
        self._expect(header=True)

    def close(self) -> None:
        """See `NetworkStream`."""
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        """See `NetworkStream`."""
        return PacedStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._pace)

    def get_extra_info(self, info: str) -> Any:
        """See `NetworkStream`."""
        return self._stream.get_extra_info(info)


class _PacedBackend(httpcore2.SyncBackend):
    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def connect_tcp(self, *where: Any, **how: Any) -> httpcore2.NetworkStream:
        return PacedStream(super().connect_tcp(*where, **how), self._pace)


def keep_pace(client: httpx2.Client, pace: Pace) -> None:
    """Let all connections of a new client be paced, those through proxies too."""
    # httpcore takes a backend and httpx does not pass one on; it pins the version of httpcore that it works with.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _PacedBackend(pace)


def begin_body(response: httpx2.Response) -> None:
    """Measure the body of a response by its rate; its header has come."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, PacedStream):
        stream.begin_body()
