"""A publisher on the loopback interface, with the manners of real ones."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit


class Act(NamedTuple):
    """How one request is answered: with another status, or with a body that ends, hangs or lies."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    drop_after: int | None = None
    hang_after: int | None = None
    extra_length: int = 0
    ranges: bool = True


class Asked(NamedTuple):
    """A request that came, and how many bytes of the file went out."""

    path: str
    range: str | None
    sent: int
    authorization: str | None = None


class Publisher:
    """Files by path, acts for the next requests of a path, and what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.acts: dict[str, list[Act]] = {}
        self.always: dict[str, Act] = {}
        self.types: dict[str, str] = {}
        self.raw: dict[str, tuple[bytes, bytes]] = {}
        """What is sent for a path in place of an answer: the first bytes, then the others again and again, slowly."""
        self.etags = True
        self.asked: list[Asked] = []
        self.url = ""
        self.released = threading.Event()
        self.hanging = threading.Event()

    def sent(self, path: str) -> int:
        """The bytes of a file that went out."""
        return sum(asked.sent for asked in self.asked if asked.path == path)

    def times(self, path: str) -> int:
        """How often a file was asked for."""
        return sum(asked.path == path for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    publisher: Publisher

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """What the hub tells of a file."""
        content = self.publisher.files.get(self._path)
        self.send_response(200 if content is not None else 404)
        if content is not None:
            self.send_header("X-Repo-Commit", "c0ffee")
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """A file, or what stands in its place."""
        host, path = self.publisher, self._path
        if path in host.raw:
            self._drip(*host.raw[path])
            return
        acts = host.acts.get(path)
        act = acts.pop(0) if acts else host.always.get(path, Act())
        content = host.files.get(path)
        if content is None or act.status != 200:
            self._plain(404 if act.status == 200 else act.status, act.headers)
            return
        tag = hashlib.sha256(content).hexdigest()[:16]
        start = self._first(content, f'"{tag}"') if act.ranges else 0
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", host.types.get(path, "application/octet-stream"))
        self.send_header("Content-Length", str(len(body) + act.extra_length))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if host.etags:
            self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        self._body(body, act)

    @property
    def _path(self) -> str:
        """The path, also of a request that came as to a proxy."""
        return unquote(urlsplit(self.path).path)

    def _first(self, content: bytes, tag: str) -> int:
        wanted = self.headers.get("Range")
        if wanted is None or self.headers.get("If-Range", tag) != tag:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def _body(self, body: bytes, act: Act) -> None:
        ends = [end for end in (act.drop_after, act.hang_after) if end is not None]
        body = body[: min(ends)] if ends else body
        self._log(len(body))
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass
        if act.hang_after is not None:
            self.publisher.hanging.set()
            self.publisher.released.wait(20)
        if ends or act.extra_length:
            self.close_connection = True

    def _drip(self, first: bytes, drop: bytes) -> None:
        self._log(len(first))
        self.close_connection = True
        with suppress(ConnectionError):
            self.wfile.write(first)
            while drop and not self.publisher.released.wait(0.02):
                self.wfile.write(drop)

    def _plain(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        self._log(0)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _log(self, sent: int) -> None:
        asked = Asked(self._path, self.headers.get("Range"), sent, self.headers.get("Authorization"))
        self.publisher.asked.append(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error."""


@contextmanager
def publishing() -> Iterator[Publisher]:
    """A publisher that is asked at its `url`."""
    publisher = Publisher()
    handler = type("Handler", (_Handler,), {"publisher": publisher})
    server = _Server(("127.0.0.1", 0), handler)
    publisher.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        publisher.released.set()
        server.shutdown()
        server.server_close()
