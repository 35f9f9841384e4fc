"""Answers on disk as they come: a kill at any moment loses at most the batch that was being answered."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import UNREADABLE, fault, held, os_errors

_NAME = "journal-{}.jsonl"
_SHOWN = 16


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One answer; `number` is its question's place, `prompt` and `picture` are digests of what was asked about."""

    number: int
    key: list[str]
    prompt: str
    picture: str | None
    text: str
    tokens: int
    blank: bool = False
    """Whether a picture of the mean colour was in the place of one that could not be used."""


Header = Mapping[str, Any]
"""What answers depend on, by name; two runs with the same one give the same answers."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder of answers.

    Raises:
        EvaluationError: when another process is writing there.
    """
    busy = EvaluationError(f"{folder}: another `train eval` is writing here; wait for it, or name another --out")
    with os_errors(EvaluationError, folder), held(folder / ".lock", busy=busy):
        yield


def read_journals(folder: Path, header: Header) -> dict[int, Entry]:
    """The answers that earlier runs of the same command left, of all ranks, by their questions' places.

    What a kill cut off at the end of a file is removed from it.

    Raises:
        EvaluationError: when a journal is of another model, prompt, data or setting, or damaged.
    """
    found: dict[int, Entry] = {}
    for path in sorted(folder.glob(_NAME.format("*"))):
        with os_errors(EvaluationError, path):
            lines = _whole_lines(path)
        if not lines:
            continue
        _require_same(_decoded(lines[0], dict[str, Any], where=f"{path}: line 1"), header, where=path)
        for number, line in enumerate(lines[1:], start=2):
            entry = _decoded(line, Entry, where=f"{path}: line {number:,}")
            found.setdefault(entry.number, entry)
    return found


def _whole_lines(path: Path) -> list[bytes]:
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    return whole.splitlines()


def _decoded(line: bytes, form: Any, *, where: str) -> Any:
    try:
        return msgspec.json.decode(line, type=form)
    except UNREADABLE as error:
        raise EvaluationError(f"{where}: {fault(error)[1]}; remove the folder, or name another --out") from None


def _require_same(before: Mapping[str, Any], now: Header, *, where: Path) -> None:
    for name in (*now, *before):
        was, is_ = before.get(name), now.get(name)
        if isinstance(was, dict) and isinstance(is_, dict):
            inner = next((key for key in (*is_, *was) if was.get(key) != is_.get(key)), "")
            name, was, is_ = f"{name} {inner}".rstrip(), was.get(inner), is_.get(inner)
        if was != is_:
            raise EvaluationError(
                f"{where}: its answers are of another {name}: {_shown(was)}, now {_shown(is_)}; repeat that command, "
                "or name another --out"
            )


def _shown(value: Any) -> str:
    text = str(value)
    return text[:_SHOWN] if len(text) == hashlib.sha256().digest_size * 2 else text[:80]


class Journal:
    """The file to which one rank appends; each batch is on disk before the next is asked."""

    def __init__(self, folder: Path, header: Header, *, rank: int) -> None:
        self._path = folder / _NAME.format(rank)
        self._header = header
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "Journal":
        with os_errors(EvaluationError, self._path):
            self._file = self._path.open("ab")
            if not self._file.tell():
                self._write([self._header])
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, entries: Sequence[Entry]) -> None:
        """Add a batch.

        Raises:
            EvaluationError: when it cannot be written.
        """
        with os_errors(EvaluationError, self._path):
            self._write(entries)

    def _write(self, values: Sequence[Any]) -> None:
        assert self._file is not None
        self._file.write(b"".join(msgspec.json.encode(value) + b"\n" for value in values))
        self._file.flush()
        os.fsync(self._file.fileno())
