"""The ground floor under every file: complete or absent, locked or busy, and one line for what goes wrong."""

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from mix665k.schemas.errors import BusyError, MixtureError, RecipeError
from mix665k.schemas.files import (
    decode_json,
    fault,
    held,
    os_errors,
    replacing,
    sha256_of,
    whole_file,
    write_whole,
)

BUSY = MixtureError("out: in use by another build")
WRITES_HALF = """
import sys, time
from pathlib import Path
from mix665k.schemas.files import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half of")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""
HOLDS = """
import sys, time
from pathlib import Path
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import held
with held(Path(sys.argv[1]), busy=MixtureError("busy")):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def _running(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a program with a path; it has written its first line."""
    with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["日本 “quoted” \n", b"\x00\xff"])
def test_a_file_holds_what_was_written_text_as_utf_8(tmp_path: Path, content: str | bytes) -> None:
    write_whole(tmp_path / "é.txt", content)

    assert (tmp_path / "é.txt").read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert _names(tmp_path) == ["é.txt"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old")

    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(5, "Input/output error")])
def test_an_error_in_the_middle_leaves_the_old_file_and_no_part(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"half of")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, a device that is always full")
def test_a_full_disk_names_the_file_and_not_its_part(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    (tmp_path / ".a.json.part").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(path, "new")
    assert caught.value.filename == str(path)
    assert _names(tmp_path) == []


def test_a_missing_folder_names_the_file_and_not_its_part(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "none" / "a.json", "new")
    assert caught.value.filename == str(tmp_path / "none" / "a.json")


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a.json"):
        (tmp_path / "other.json").read_bytes()
    assert caught.value.filename == str(tmp_path / "other.json")


def test_a_process_killed_in_the_middle_leaves_the_old_file_and_the_next_writer_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old")
    with _running(WRITES_HALF, path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert path.read_text() == "old"
    assert _names(tmp_path) == [".a.json.part", "a.json"]
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert _names(tmp_path) == ["a.json"]


def test_a_file_that_another_process_is_writing_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with _running(WRITES_HALF, path) as process:
        with pytest.raises(BusyError, match=r"a\.json: another command is writing this file; wait for it, or name"):
            write_whole(path, "mine")
        assert (tmp_path / ".a.json.part").read_text() == "half of"
        process.send_signal(signal.SIGKILL)
        process.wait()
    write_whole(path, "mine")
    assert path.read_text() == "mine"


def test_of_two_writers_in_one_process_the_second_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with whole_file(path) as file:
        file.write(b"first")
        with pytest.raises(BusyError):
            write_whole(path, "second")
    assert path.read_text() == "first"
    assert _names(tmp_path) == ["a.json"]


def test_many_writers_at_once_leave_one_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    def write(number: int) -> bool:
        try:
            write_whole(path, f"{number}" * 100_000)
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(write, [number % 8 for number in range(200)]))
    content = path.read_text()
    assert content == content[0] * 100_000
    assert _names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_written_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_whole(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "new"
    assert _names(tmp_path) == ["a.json"]


def test_a_part_can_be_written_by_a_library_that_wants_a_path(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as part:
        part.write_text("by path")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "by path"


def test_a_hash_is_that_of_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")  # the vector of FIPS 180-2
    (tmp_path / "b").write_bytes(b"abc" * 1_000_000 + b"d")
    (tmp_path / "c").write_bytes(b"abc" * 1_000_000 + b"e")

    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "b") != sha256_of(tmp_path / "c")
    with pytest.raises(IsADirectoryError):
        sha256_of(tmp_path)


def test_a_lock_is_busy_while_another_process_holds_it_and_free_once_that_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "state" / ".lock"
    with _running(HOLDS, lock) as process:
        with pytest.raises(MixtureError, match=r"^out: in use by another build$"), held(lock, busy=BUSY):
            pytest.fail("held twice")
        process.send_signal(signal.SIGKILL)
        process.wait()

    with held(lock, busy=BUSY):
        pass


def test_a_lock_is_free_after_its_block_also_after_an_error(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with pytest.raises(ValueError, match="no"), held(lock, busy=BUSY):
        raise ValueError("no")
    with held(lock, busy=BUSY):
        pass


def test_without_busy_a_block_waits_for_the_lock(tmp_path: Path) -> None:
    lock, order = tmp_path / ".lock", []

    def wait() -> None:
        with held(lock, busy=None):
            order.append("second")

    with held(lock, busy=None):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.json", "{}/none.json: no such file or directory"),
        ("", "{}: is a directory"),
        ("a/b.json", "{}/a/b.json: not a directory"),
        ("x" * 300, "{}/" + "x" * 80 + "…: file name too long"),
    ],
)
def test_an_error_of_the_system_is_one_line_with_the_file_it_names(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "a").write_text("")

    with pytest.raises(RecipeError) as caught, os_errors(RecipeError, where="recipe"):
        (tmp_path / path).read_bytes()
    assert str(caught.value) == message.format(tmp_path)
    assert caught.value.__suppress_context__


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "a").chmod(0)
    with pytest.raises(MixtureError, match=r"a: permission denied$"), os_errors(MixtureError, where="a"):
        (tmp_path / "a").read_bytes()


def test_an_error_without_a_file_says_where_it_was_met() -> None:
    with pytest.raises(MixtureError, match=r"^mixture/data: connection reset by peer$"):
        with os_errors(MixtureError, where="mixture/data"):
            raise OSError(104, "Connection reset by peer")
    with pytest.raises(MixtureError, match=r"^mixture/data: two lines$"), os_errors(MixtureError, where="mixture/data"):
        raise OSError("two\n  lines")


def test_an_error_that_the_system_did_not_raise_passes() -> None:
    with pytest.raises(KeyError), os_errors(MixtureError, where="mixture"):
        raise KeyError("a")


class Form(msgspec.Struct):
    """What the tests decode."""

    name: str
    sizes: list[int] = []


def _decode(content: bytes) -> Form:
    return decode_json(content, Form, kind=MixtureError, where="日本/state.json", fix="build it again")


def test_json_of_the_form_is_decoded() -> None:
    assert _decode('{"name": "é\\u00e9", "sizes": [1], "more": null}'.encode()) == Form("éé", [1])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "input data was truncated"),
        (b'{"name": "a"', "input data was truncated"),
        (b"{'name': 1}", "JSON is malformed: .*"),
        (b'{"name": "\xff"}', ".*utf-8.*|.*UTF-8.*"),
        (b"{}", "object missing required field name"),
        (b'{"name": 3}', r"\$\.name: expected str, got int"),
        (b'{"name": "a", "sizes": [1, "2"]}', r"\$\.sizes\[1\]: expected int, got str"),
        (b"[" * 200_000, ".+"),
        (b'{"name": "a", "more": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
    ],
)
def test_json_of_another_form_is_one_line_that_says_what_to_do(content: bytes, why: str) -> None:
    with pytest.raises(MixtureError) as caught:
        _decode(content)
    assert re.fullmatch(f"日本/state.json: (?:{why}); build it again", str(caught.value)), caught.value
    assert caught.value.__suppress_context__


def test_a_fault_is_a_path_and_a_reason_in_lower_case_but_for_names() -> None:
    assert fault(ValueError("Expected `int`, got `str` - at `$.a[0]`")) == ("$.a[0]", "expected int, got str")
    assert fault(ValueError("JSON is malformed")) == ("", "JSON is malformed")
    assert fault(ValueError("")) == ("", "")
