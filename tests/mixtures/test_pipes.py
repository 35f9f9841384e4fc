"""A named pipe in place of a file: no command waits for somebody to write into it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mix665k.mixtures.contamination.content import Sought, contents_of
from mix665k.mixtures.inspect.html.pictures import read_picture
from mix665k.mixtures.select.named_records import recognise
from mix665k.schemas.errors import UserError
from mix665k.schemas.files import regular_file, sha256_of
from mix665k.schemas.handwritten import read_handwritten
from mix665k.schemas.images.folder import ImagesFolder
from mix665k.schemas.pictures import open_picture
from mix665k.schemas.recipe import Select
from mix665k.schemas.tokenizer import fingerprint
from tests.mixtures.small import run

PIPE = "a pipe or device, expected a regular file"


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError("a pipe was opened")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe that nobody writes into."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    "read",
    [
        sha256_of,
        open_picture,
        lambda path: ImagesFolder(path.parent).read(path.name),
        lambda path: read_handwritten(path, kind=UserError, where=path),
        lambda path: recognise(path, Select(by=path.name)),
    ],
)
def test_what_reads_a_file_reads_no_pipe(pipe: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises((OSError, UserError), match=PIPE):
        read(pipe)


def test_a_device_is_no_file_and_a_file_is_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=PIPE):
        regular_file(Path("/dev/zero"))
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    assert regular_file(tmp_path / "link") == tmp_path / "link"
    with pytest.raises(FileNotFoundError):
        regular_file(tmp_path / "no file")


def test_no_file_takes_the_place_of_a_pipe(pipe: Path, tiny_mixture: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    shown = run("images", tiny_mixture, "--images", tmp_path / "images", "--write-list", pipe, "--jobs", "1")
    assert (shown.exit_code, shown.stderr) == (1, f"error: {pipe}: {PIPE}\n")
    assert pipe.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "pipe"]


def test_a_pipe_among_pictures_is_no_picture(pipe: Path) -> None:
    assert read_picture("pipe", folder=pipe.parent).why == f"cannot be shown: [Errno 22] {PIPE}: '{pipe}'"
    [content] = contents_of(["pipe"], folder=pipe.parent, sought=Sought(bytes=frozenset(), sizes=None))
    assert content.bytes is None


def test_a_pipe_among_a_tokenizers_files_is_an_error(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "schemas/tokenizer/tiny", tmp_path / "tokenizer")
    os.mkfifo(tmp_path / "tokenizer/added_tokens.json")
    with pytest.raises(OSError, match=PIPE):
        fingerprint(str(tmp_path / "tokenizer"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("images", "MIXTURE", "--images", "FOLDER", "--mapping", "PIPE"),
        ("images", "PIPE", "--images", "FOLDER"),
        ("inspect", "PIPE"),
        ("diff", "MIXTURE", "PIPE"),
        ("contamination", "MIXTURE", "--eval-set", "PIPE", "--jobs", "1"),
        ("build", "PIPE", "--raw", "FOLDER", "--out", "FOLDER/out"),
        ("verify", "MIXTURE", "--against", "PIPE", "--jobs", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_says_that_a_pipe_is_none(pipe: Path, tiny_mixture: Path, arguments: tuple[str, ...]) -> None:
    names = {"PIPE": str(pipe), "MIXTURE": str(tiny_mixture), "FOLDER": str(pipe.parent)}
    shown = run(*(names.get(argument, argument.replace("FOLDER", names["FOLDER"])) for argument in arguments))
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)
    assert PIPE in shown.stderr


def test_a_raw_file_that_is_a_pipe_is_wrong(made_up_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "okvqa").mkdir()
    for path in (made_up_raw / "okvqa").iterdir():
        os.mkfifo(tmp_path / "okvqa" / path.name)
    assert f"wrong: {PIPE}" in run("sources", "okvqa", "--raw", tmp_path).stdout
