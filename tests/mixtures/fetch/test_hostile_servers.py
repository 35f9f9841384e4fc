"""Servers that are broken or mean harm: each is one line, soon, and the other downloads of a run come."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.fetch.web import Patience
from tests.mixtures.fetch.bringing import brought, plain
from tests.mixtures.fetch.server import Publisher
from tests.mixtures.fetch.test_run import files, mirror  # noqa: F401, a fixture
from tests.mixtures.small import run

SOON = Patience(retries=0, first_s=0.0, longest_s=0.0, silence_s=0.3, bytes_per_s=1000.0)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "a status line for ever": (b"HTTP/1.1 2", b"0", "no complete header in 0.3 s"),
    "a header for ever": (OK, b"X: y\r\n", "no complete header in 0.3 s"),
    "informational answers for ever": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", "no complete header in 0.3 s"),
    "a body by the byte": (OK + b"Content-Length: 90\r\n\r\n", b"x", "bytes in 0.3 s, expected 1,000 a second or more"),
    "a chunk's length for ever": (CHUNKED, b"0", "bytes in 0.3 s, expected 1,000 a second or more (--min-rate)"),
    "a trailer for ever": (CHUNKED + b"0\r\n", b"X: y\r\n", "bytes in 0.3 s, expected 1,000 a second or more"),
    "nothing after its header": (OK + b"Content-Length: 90\r\n\r\n", b"", "peer closed connection"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DRIPS)
def test_a_server_that_is_never_done_is_given_up(publisher: Publisher, tmp_path: Path, kind: str) -> None:
    *answer, why = DRIPS[kind]
    publisher.raw["/at/file.json"] = (answer[0], answer[1])
    result = brought(plain(tmp_path, f"{publisher.url}/at"), patience=SOON)
    assert (result.state, why in result.note) == ("failed", True), result.note
    assert "\n" not in result.note


def test_a_proxy_that_is_never_done_is_given_up(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", publisher.url)
    publisher.raw["/at/file.json"] = (OK, b"X: y\r\n")
    assert "no complete header" in brought(plain(tmp_path, "http://publisher.invalid/at"), patience=SOON).note


def test_what_is_slow_but_keeps_the_pace_comes(publisher: Publisher, tmp_path: Path) -> None:
    publisher.raw["/at/file.json"] = (OK + b"Content-Length: 3000\r\n\r\n", b"x" * 60)
    assert brought(plain(tmp_path, f"{publisher.url}/at"), patience=SOON).num_bytes == 3000


def test_a_fast_header_without_end_is_given_up(publisher: Publisher, tmp_path: Path) -> None:
    publisher.raw["/at/file.json"] = (b"HTTP/1.1 102 Processing\r\n\r\n" * 60_000, b"")
    note = brought(plain(tmp_path, f"{publisher.url}/at"), patience=SOON).note
    assert "a header without end" in note


NINES = b"9" * 5000
BUSY = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: "
ANSWERS = {
    "a length and chunks": (OK + b"Content-Length: 3\r\n" + CHUNKED[len(OK) :] + b"3\r\nabc\r\n0\r\n\r\n", "chunks"),
    "a length of 5,000 digits": (OK + b"Content-Length: " + NINES + b"\r\n\r\nabc", "content-length"),
    "a length of 19 digits": (OK + b"Content-Length: " + NINES[:19] + b"\r\n\r\nabc", "a length that no file has"),
    "a negative length": (OK + b"Content-Length: -3\r\n\r\nabc", "bad content-length"),
    "two lengths": (OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "conflicting content-length"),
    "a host of 300 letters": (b"HTTP/1.1 302 x\r\nLocation: http://" + b"a" * 300 + b".invalid/\r\n\r\n", "label"),
    "a host of nothing but dots": (b"HTTP/1.1 302 x\r\nLocation: http://.../x\r\n\r\n", "http://.../x"),
    "a port of 5,000 digits": (b"HTTP/1.1 302 x\r\nLocation: http://a:" + NINES + b"/\r\n\r\n", "which is no address"),
    "bytes as a location": (b"HTTP/1.1 302 x\r\nLocation: http://\xff\xfe\x00/\r\n\r\n", "illegal header"),
    "a wait of 5,000 digits": (BUSY + NINES + b"\r\n\r\n", "http 503"),
    "a wait until the year 9999": (BUSY + b"Fri, 31 Dec 9999 23:59:59 -2359\r\n\r\n", "http 503"),
    "a range of 5,000 digits": (
        b"HTTP/1.1 206 x\r\nContent-Range: bytes " + NINES + b"-/9\r\nContent-Length: 3\r\n\r\nabc",
        "another file by now",
    ),
    "a reason that moves the cursor": (b"HTTP/1.1 404 \x1b[2Jx\r\nContent-Length: 0\r\n\r\n", "404"),
    "another protocol": (b"220 ftp ready\r\n", "disconnected"),
    "a status of words": (b"HTTP/1.1 OK fine\r\n\r\n", "illegal status line"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_makes_no_sense_is_one_line(publisher: Publisher, tmp_path: Path, kind: str) -> None:
    answer, why = ANSWERS[kind]
    publisher.raw["/at/file.json"] = (answer, b"")
    result = brought(plain(tmp_path, f"{publisher.url}/at"), patience=SOON)
    assert (result.state, result.note.isprintable(), len(result.note) < 600) == ("failed", True, True)
    assert why in result.note.lower()


def test_a_redirect_whose_page_has_no_end_is_followed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/at/file.json"] = b"{}"
    publisher.raw["/moved/file.json"] = (
        b"HTTP/1.1 302 x\r\nLocation: /at/file.json\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n" + b"x" * 4096 + b"\r\n",
    )
    assert brought(plain(tmp_path, f"{publisher.url}/moved"), patience=SOON).state == "fetched"


def test_more_bytes_than_are_known_are_not_written(publisher: Publisher, tmp_path: Path) -> None:
    publisher.raw["/at/file.json"] = (CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n")
    note = brought(plain(tmp_path, f"{publisher.url}/at", num_bytes=9_000), patience=SOON).note
    assert "the publisher's file has changed: 12,288 bytes, 9,000 are known" in note


def test_a_hostile_answer_keeps_no_other_file_from_coming(mirror: Publisher, tmp_path: Path) -> None:  # noqa: F811
    bad = "/okvqa/mscoco_train2014_annotations.json.zip"
    mirror.raw[bad] = ANSWERS["a host of 300 letters"][0], b""
    arguments = ("fetch", "--source", "okvqa", "--raw", tmp_path, "--mirror", mirror.url, "--format", "json")
    shown = run(*arguments, "--jobs", "1")
    assert (shown.exit_code, sorted(files(shown.stdout).values())) == (1, ["failed", "fetched"])
    mirror.raw.clear()
    shown = run(*arguments)
    assert (shown.exit_code, sorted(files(shown.stdout).values())) == (0, ["fetched", "there"])
    assert json.loads((tmp_path / "fetched.json").read_text())["downloads"]
