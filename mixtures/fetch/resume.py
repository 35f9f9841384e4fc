"""One file from a web server, into a `.part` that a later run resumes, whatever ended the last one.

The bytes go straight to that file and its validator (ETag or date) beside it, which `schemas.files.replacing` would not
keep: it removes its temporary file after an error.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx2
import msgspec

from mix665k.mixtures.fetch.disk_space import DiskSpace
from mix665k.mixtures.fetch.web import (
    Patience,
    RefusedError,
    StoppedError,
    TransientError,
    length_of,
    response_to,
    with_retries,
)
from mix665k.schemas.errors import FetchError
from mix665k.schemas.files import UNREADABLE, regular_file, write_whole

_NO_SUCH_RANGE = 416
_BLOCK_BYTES = 1 << 20
"""There must be room for so many more of a file whose size its server does not say."""
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")


class PartState(msgspec.Struct):
    """What a part is a part of: the answer that began it, by its ETag or date, and its whole size."""

    url: str
    validator: str | None
    num_bytes: int | None


class Connection(NamedTuple):
    """What a transfer needs beside its address; `name` is for the room that it is promised.

    `at` hears of the bytes there are and the whole.
    """

    name: str
    client: httpx2.Client
    patience: Patience
    stop: threading.Event
    space: DiskSpace
    at: Callable[[int, int | None], None]


def part_of(path: Path) -> Path:
    """Where a file grows."""
    return path.with_name(f"{path.name}.part")


def state_of(path: Path) -> Path:
    """What is known of the part, beside it."""
    return path.with_name(f"{path.name}.part.json")


def transfer(
    url: str,
    path: Path,
    connection: Connection,
    *,
    headers: Mapping[str, str],
    num_bytes: int | None,
    room_bytes: int = 0,
) -> None:
    """Bring a file into its part and leave it there, whole and on the disk.

    `num_bytes` is its size if that is known; `room_bytes` is what will be needed beside the file itself.

    Raises:
        FetchError: when it is not to be had, or has another size.
        StoppedError: when the run ends.
    """
    part = part_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)

    def attempt() -> None:
        _resume(url, path=path, connection=connection, headers=headers, num_bytes=num_bytes, room_bytes=room_bytes)

    with_retries(attempt, patience=connection.patience, stop=connection.stop, done=lambda: _size(part))


def _resume(
    url: str, *, path: Path, connection: Connection, headers: Mapping[str, str], num_bytes: int | None, room_bytes: int
) -> None:
    part, state = part_of(path), _state(path)
    have = _size(part) if state and state.url == url and state.validator else 0
    if state and have and have == state.num_bytes:
        return
    try:
        with response_to(connection.client, url, {**headers, **_resumed(state, have)}) as response:
            start = _start(response, state, have)
            total = _whole_size(response, start)
            _require_size(url, total, num_bytes)
            if total is not None:
                connection.space.reserve(connection.name, total - start + room_bytes)
            if not start:
                part_of(path).unlink(missing_ok=True)  # first, or a run killed here would go on with other bytes
                write_whole(state_of(path), msgspec.json.encode(PartState(url, _validator(response), total)))
            connection.at(start, total)
            for have in _written(response, part=part, start=start, connection=connection):
                connection.at(have, total)
                if total is None:
                    _require_size(url, have if have > (num_bytes or have) else None, num_bytes)
                    connection.space.reserve(connection.name, _BLOCK_BYTES + room_bytes)
    except RefusedError as refused:
        if refused.status != _NO_SUCH_RANGE:
            raise
        discard(path)
        raise TransientError(f"{url}: another file by now, restarted", wait_s=0) from None
    if total is not None and (got := _size(part)) != total:
        raise TransientError(f"{url}: {got:,} of {total:,} bytes came")


def settle(path: Path) -> None:
    """Give a file its name; nothing to do where it has it."""
    if part_of(path).exists():
        part_of(path).replace(path)
    state_of(path).unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Forget the part of a file."""
    part_of(path).unlink(missing_ok=True)
    state_of(path).unlink(missing_ok=True)


def _resumed(state: PartState | None, have: int) -> dict[str, str]:
    return {"Range": f"bytes={have}-", "If-Range": state.validator} if have and state and state.validator else {}


def _start(response: httpx2.Response, state: PartState | None, have: int) -> int:
    """Where the body belongs: behind what is there, or at the start from a server that knows no ranges."""
    if response.status_code != httpx2.codes.PARTIAL_CONTENT:
        return 0
    came = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not came or int(came[1]) != have or not state or state.num_bytes not in (None, int(came[2])):
        raise RefusedError(f"{response.url}: another range than asked for", status=_NO_SUCH_RANGE)
    return have


def _whole_size(response: httpx2.Response, start: int) -> int | None:
    length = length_of(response)
    return None if length is None else start + length


def _require_size(url: str, total: int | None, num_bytes: int | None) -> None:
    if total is not None and num_bytes not in (None, total):
        raise FetchError(
            f"{url}: the publisher's file has changed: {total:,} bytes, {num_bytes:,} are known; "
            "--accept-changed takes it as it is"
        )


def _validator(response: httpx2.Response) -> str | None:
    """What tells whether the file is still the same: an ETag for bytes, else the date."""
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _written(response: httpx2.Response, *, part: Path, start: int, connection: Connection) -> Iterator[int]:
    """The bytes there are, after each piece; it goes to the disk as it comes, so that a killed run loses none."""
    with part.open("r+b" if start else "wb", buffering=0) as file:
        file.truncate(start)
        file.seek(start)
        for chunk in response.iter_raw():
            if connection.stop.is_set():
                raise StoppedError
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
            start += len(chunk)
            connection.space.written(connection.name, len(chunk))
            yield start
        os.fsync(file.fileno())


def _state(path: Path) -> PartState | None:
    try:
        return msgspec.json.decode(regular_file(state_of(path)).read_bytes(), type=PartState)
    except (FileNotFoundError, *UNREADABLE):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
