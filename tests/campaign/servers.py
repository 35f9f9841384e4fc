"""Servers that answer what no publisher answers, asked by `mix fetch`."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.commands import said

_BODY = b"PK\x05\x06" + bytes(18)
_FIELDS = (
    "Content-Length: 22", "Content-Length: -1", "Content-Length: 1e9", f"Content-Length: {'9' * 5000}",
    "Content-Length: 99999999999999", "Content-Length: 22\r\nContent-Length: 23", "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 22", f"Content-Range: bytes 0-{'9' * 5000}/22",
    "Content-Range: bytes 5-1/0", "Content-Range: x", "ETag: \"" + "e" * 5000 + "\"", "Content-Encoding: gzip",
    "Content-Encoding: x", "Retry-After: -5", "Retry-After: " + "9" * 400, "Retry-After: yesterday",
    "Content-Type: text/html", "X: " + "x" * 200_000, "Set-Cookie: a=\x1b[2J", "\x00: 1", "no colon", "Location: ",
)  # fmt: skip
_PLACES = (
    f"http://{'a' * 300}.com/", "file:///etc/passwd", "http://[::1", "http://\x1b[2J/", "//", "http://127.0.0.1:1/",
    "http://x:99999/", "data:,x", "http://0/", "http://a..b/", "ftp://127.0.0.1/", "?", "/" + "a" * 70_000,
    "javascript:1", "http://xn--/", "http://\u20ac/",
)  # fmt: skip
_FIRST = (
    "HTTP/1.1 200 OK", "HTTP/1.1 206 Partial", "HTTP/1.1 404 \x1b]0;owned\x07", "HTTP/1.1 500 x", "HTTP/1.1 999 ?",
    "HTTP/1.1 204 None", "HTTP/1.1 304 Same", "HTTP/1.1 100 Continue", "HTTP/9.9 200 OK", "HTTP/1.1 -1 x", "HTTP/1.1",
    "", "SSH-2.0-x", "\x16\x03\x01", "HTTP/1.1 416 Range", "HTTP/1.1 429 Slow down", "HTTP/1.1 403 No",
    "HTTP/1.1 200 " + "x" * 100_000,
)  # fmt: skip


def _answer(rng: Random) -> tuple[str, bytes, float, bool]:
    """What kind of answer it is, its bytes, the seconds between them (0: at once), and whether the line stays open."""
    first = rng.choice(_FIRST[:2]) if rng.random() < 0.5 else rng.choice(_FIRST)
    fields = rng.sample(_FIELDS, rng.choice((0, 1, 1, 2)))
    if rng.random() < 0.3:
        first = f"HTTP/1.1 {rng.choice((301, 302, 303, 307, 308))} Moved"
        fields.append(f"Location: {rng.choice(_PLACES)}")
    head = "\r\n".join([first, *fields]).encode("utf-8", errors="replace") + b"\r\n\r\n"
    body = rng.choice((_BODY, b"", b"<html>404</html>", bytes(5_000), b"zz\r\n", b"5\r\nabc", b"ffffffffff\r\n"))
    content = head + body
    if rng.random() < 0.3:
        content = content[: rng.randrange(len(content) + 1)]
    way = rng.random()
    pause_s, stays = (0.2, True) if way < 0.1 else (0.0, way < 0.2)
    return f"{first[:30]!r} {[field[:30] for field in fields]!r} + {len(body)} bytes", content, pause_s, stays


@contextmanager
def _serving(content: bytes, *, pause_s: float, stays: bool) -> Iterator[str]:
    """The address of a server that sends these bytes to whoever asks, whatever they ask for."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                line, _ = listening.accept()
            except OSError:
                return
            with line, suppress(OSError):
                line.settimeout(5)
                line.recv(65_536)
                for piece in (content[i : i + 1] for i in range(len(content))) if pause_s else (content,):
                    line.sendall(piece)
                    if over.wait(pause_s):
                        break
                if stays:
                    over.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=6)


def make(number: int, seed: int, folder: Path) -> Case:
    """An answer, and a fetch of one source that gets nothing else."""
    rng = Random(f"servers/{seed}/{number}")
    what, content, pause_s, stays = _answer(rng)
    (folder / "answer").write_bytes(content)
    group = "slow" if pause_s else "open" if stays else "at once"
    return Case(group, what, lambda: _judged(content, folder / "raw", pause_s=pause_s, stays=stays))


def _judged(content: bytes, raw: Path, *, pause_s: float, stays: bool) -> Verdict:
    begun = time.monotonic()
    with _serving(content, pause_s=pause_s, stays=stays) as url:
        done = said(
            *("fetch", "--source", "aokvqa", "--raw", raw, "--mirror", url), *("--retries", "0", "--timeout", "1")
        )
    verdict = done.verdict(may_pass=False)
    if verdict.fault is None and (seconds := time.monotonic() - begun) > 20:
        return Verdict(verdict.result, "hang", f"{seconds:.0f} s with --timeout 1")
    if verdict.fault is None and any(
        "root:" in path.read_text(errors="replace") for path in raw.rglob("*") if path.is_file()
    ):
        return Verdict(verdict.result, "outside", "a local file was taken")
    return verdict


KIND = Kind(
    name="servers",
    about="answers of a server with odd status lines, lengths, ranges, encodings and redirects, cut anywhere, sent at "
    "once, a byte at a time or never ended, to `mix fetch`",
    cases=600,
    make=make,
    limit_s=40.0,
    limited=False,
)
