"""Decoding a raw file: its records, one by one, in the form that the source declares."""

import mmap
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.containers import container_of, table_records, unpacked
from mix665k.builders.json_text import (
    BOM,
    container,
    has_half_pair,
    is_json_lines,
    place_in_text,
    split_records,
    without_numbers_that_are_none,
)
from mix665k.builders.parts import Parts
from mix665k.builders.registry import DecodedRecord, RawFile
from mix665k.builders.stated import Split, fields_beside, split_of
from mix665k.schemas.errors import RawDataError, one_line
from mix665k.schemas.files import UNREADABLE, fault, os_errors, regular_file
from mix665k.schemas.plain_pickle import NOT_PLAIN, load_plain

_REPORT_BYTES = 1 << 20
_NULL = msgspec.Raw(b"null")


class _Key(str):
    """A key of a JSON object that is equal to itself only.

    A dict keeps both of two equal keys that way, and a repeated question id of GQA is an error. With plain strings
    the second record would silently replace the first.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class BadRecord(NamedTuple):
    """A raw record that is not of its declared form."""

    where: str
    why: str


def read(
    file: RawFile, path: Path, progress: Callable[[int], None], *, hear: Callable[[Split], None] = lambda _: None
) -> Iterator[tuple[str | int, str, Any]]:
    """(key or index, id, record or BadRecord) for each record of a file; without an id a record goes by its path.

    `hear` is called before the first with the split that the file is of, where it or its name says one.

    Raises:
        RawDataError: when the file is missing, damaged or holds something else.
    """
    return ((place, identifier, found) for place, identifier, found, _ in _decoded(file, path, progress, hear=hear))


def sound_entries(file: RawFile, parts: Parts, progress: Callable[[int], None]) -> Iterator[DecodedRecord]:
    """The records of a raw file's parts that are of its form, with what the part holds of each.

    Raises:
        RawDataError: when the file is missing, damaged or holds something else.
    """
    for part, (place, identifier, found, raw) in decoded_parts(file, parts, progress, hear=lambda *_: None):
        if not isinstance(found, BadRecord):
            yield DecodedRecord(place, identifier, record=found, raw=raw, part=part)


def decoded_parts(
    file: RawFile, parts: Parts, progress: Callable[[int], None], *, hear: Callable[[Path, Split], None]
) -> Iterator[tuple[Path, tuple[str | int, str, Any, Any]]]:
    """The entries of each part in turn."""
    num_before = 0
    for part in parts:
        for entry in _decoded(file, part, progress, hear=partial(hear, part), num_before=num_before):
            yield part, entry
            num_before += 1


def _decoded(
    file: RawFile, path: Path, progress: Callable[[int], None], *, hear: Callable[[Split], None], num_before: int = 0
) -> Iterator[tuple[str | int, str, Any, Any]]:
    if file.at == "pickle":
        records: Iterator[tuple[str | int, Any]] = enumerate(_unpickle(path))
        progress(path.stat().st_size)
    else:
        records = split_file(file, path, progress, hear=hear)
    return decoded(file, path, records, num_before=num_before)


def decoded(
    file: RawFile, path: Path, records: Iterable[tuple[str | int, Any]], *, num_before: int
) -> Iterator[tuple[str | int, str, Any, Any]]:
    """(place, id, record or BadRecord, what the file holds) for undecoded records of a file with their places.

    Raises:
        RawDataError: for a record that shows that the file is of another version of its data set.
    """
    decode = _decoder(file, num_before=num_before)
    for place, raw in records:
        record = decode(place, raw)
        if isinstance(record, BadRecord):
            if version := _other_version(file, raw):
                raise RawDataError(f"{path}: {json_path(file, place)}: {version}")
            yield place, _identify(file, place, raw), record, raw
        elif isinstance(place, str):
            yield place, place, record, raw
        else:
            yield place, json_path(file, place) if file.id is None else str(getattr(record, file.id)), record, raw


def _other_version(file: RawFile, raw: Any) -> str | None:
    """Which other version of its data set a JSON file is, as a record that is not of its form shows."""
    with suppress(*UNREADABLE):
        return file.other_version(msgspec.json.decode(raw)) if file.other_version else None
    return None


def _decoder(file: RawFile, *, num_before: int = 0) -> Callable[[str | int, Any], Any]:
    """From a record's place and what the file holds there to the record, or to what is wrong with it.

    What is not of its form is read as the file's `adapt` understands it, and with null for NaN. `num_before` counts the
    records of the parts before this one: `adapt` makes ids of places, and no two parts may share one.
    """
    strict: Callable[[Any], Any] = msgspec.json.Decoder(file.form).decode
    if file.at == "pickle":
        strict = lambda value: _converted(value, file.form)  # noqa: E731

    def decode(place: str | int, raw: Any) -> Any:
        try:
            return strict(raw)
        except UNREADABLE as error:
            why: Exception = error
        if file.at != "pickle":
            content = without_numbers_that_are_none(bytes(raw))
            try:
                if file.adapt:
                    number = place if isinstance(place, str) else place + num_before
                    return file.adapt(msgspec.json.decode(content), number)
                return strict(content)
            except UNREADABLE as error:
                why = error
        at, reason = fault(why)
        if file.at != "pickle" and has_half_pair(bytes(raw)):  # msgspec says of some that they are truncated
            reason = "holds half of a surrogate pair, expected Unicode text"
        return BadRecord(f"{json_path(file, place)}{at.removeprefix('$')}", reason)

    return decode


def read_again(file: RawFile, path: Path, places: Collection[int]) -> dict[int, Any]:
    """Some records of a JSON list, by their places in it; all of them were read before."""
    decode = _decoder(file)
    return {int(place): decode(place, raw) for place, raw in split_file(file, path) if place in places}


def json_path(file: RawFile, place: str | int) -> str:
    """Where a record stands in its file."""
    if file.at == "lines":
        return f"line {int(place) + 1}"
    field = "" if file.at in ("[]", "{}", "pickle") else f".{file.at}"
    return f"${field}[{place!r}]"


def _converted(value: Any, form: type) -> Any:
    """An unpickled record in its form, unless it holds what no text can: half a surrogate pair, a vast number."""
    record: Any = msgspec.convert(value, form)
    msgspec.json.encode(record)
    return record


def _identify(file: RawFile, place: str | int, raw: Any) -> str:
    """The id of a record that does not decode, as far as it can be told."""
    if isinstance(place, str):
        return place
    try:
        loose = raw if file.at == "pickle" else msgspec.json.decode(raw)
        found = loose.get(file.id or "id") if isinstance(loose, dict) else None
        return str(found) if isinstance(found, str | int) else json_path(file, place)
    except UNREADABLE:
        return json_path(file, place)


def count_records(file: RawFile, path: Path) -> int:
    """The number of records of a file that is no pickle; all of it is read.

    Raises:
        RawDataError: when it is missing, damaged or holds something else.
    """
    return sum(1 for _ in split_file(file, path))


def split_file(
    file: RawFile,
    path: Path,
    progress: Callable[[int], None] = lambda _: None,
    *,
    hear: Callable[[Split], None] = lambda _: None,
) -> Iterator[tuple[str | int, msgspec.Raw]]:
    """The undecoded records of a file that is no pickle, with their keys or numbers.

    Raises:
        RawDataError: when it is missing, damaged or holds something else.
    """
    # msgspec gives the undecoded records of a list or object in one pass. Each is then decoded on its own, so that an
    # error knows the path and the id. The file is mapped and the part that has been read is given back to the system:
    # two large sources built side by side stay under 4 GB.
    data, share = map_file(path), 1.0
    container = container_of(data[:8]) if file.table_columns else None
    if container == "gzip":
        data = unpacked(path)
        share = path.stat().st_size / len(data)
    elif container:
        yield from table_records(path, container, columns=file.table_columns, progress=progress)
        return
    records, beside = _raw_records(file, path, data)
    if split := split_of(file, path, beside):
        hear(split)
    passed = pending = 0
    for place, raw in records:
        yield place, raw
        pending += len(raw)
        if pending > _REPORT_BYTES:
            progress(int(share * pending))
            passed, pending = passed + pending, 0
            data.madvise(mmap.MADV_DONTNEED, 0, min(passed, len(data)))
    progress(int(share * pending))


def _raw_records(
    file: RawFile, path: Path, data: mmap.mmap
) -> tuple[Iterator[tuple[str | int, msgspec.Raw]], dict[str, msgspec.Raw]]:
    """The undecoded records with their places, and the fields beside them that say what the file is."""
    view = memoryview(data)[len(BOM) if data[: len(BOM)] == BOM else 0 :]
    if file.at == "lines" or (file.at == "[]" and is_json_lines(view)):
        data.seek(len(data) - len(view))
        lines = enumerate(iter(data.readline, b""))
        return ((number, msgspec.Raw(line)) for number, line in lines if not line.isspace()), {}
    names = fields_beside(file)
    kind: Any = list[msgspec.Raw]
    if file.at == "{}":
        kind = dict[_Key, msgspec.Raw]
    elif file.at != "[]":
        others = [(f"beside_{i}", msgspec.Raw, msgspec.field(name=names[i], default=_NULL)) for i in range(len(names))]
        kind = msgspec.defstruct("Envelope", [("records", list[msgspec.Raw], msgspec.field(name=file.at)), *others])
    try:
        whole: Any = msgspec.json.decode(view, type=kind, dec_hook=lambda key_type, key: key_type(key))
    except UNREADABLE as error:
        if file.at == "[]" and (line := _only_line(file, view)):
            return iter([(0, line)]), {}
        beside: dict[str, msgspec.Raw] = {}
        is_json = isinstance(error, msgspec.ValidationError)
        if not is_json and (records := _odd_records(file, view, beside=beside)) is not None:
            return iter(records), beside
        raise RawDataError(f"{path}: {container(data) or _why_not_json(error, view)}") from None
    if isinstance(whole, dict):
        return ((str(key), raw) for key, raw in whole.items()), {}
    if isinstance(whole, list):
        return enumerate(whole), {}
    return enumerate(whole.records), {names[i]: getattr(whole, f"beside_{i}") for i in range(len(names))}


def _only_line(file: RawFile, view: memoryview) -> msgspec.Raw | None:
    """The record of a file of JSON Lines that has one: an object of the file's form in place of a list."""
    raw = msgspec.Raw(bytes(view).strip())
    return None if isinstance(_decoder(file)(0, raw), BadRecord) else raw


def _odd_records(
    file: RawFile, view: memoryview, *, beside: dict[str, msgspec.Raw]
) -> list[tuple[str | int, msgspec.Raw]] | None:
    """The records of a file that msgspec refuses for what one of them holds; None for another file altogether."""
    if container(view):
        return None
    try:
        return split_records(view, at=file.at, beside=beside)
    except ValueError:
        return None


def _why_not_json(error: Exception, view: memoryview) -> str:
    """Why a file has no records, and what to do about it; a byte that msgspec names gets its line and column."""
    at, why = fault(error)
    if isinstance(error, msgspec.ValidationError):
        return f"{at or '$'}: {why}; is this the expected file?"
    if found := re.search(r"\(byte (\d+)\)", why):
        why = f"{why.replace(found[0], '').rstrip()} at {place_in_text(view, int(found[1]))} {found[0]}"
    if "truncated" in why:
        return f"not a complete JSON file: {why}; download it again"
    return f"not JSON: {why.removeprefix('JSON is malformed: ')}; fix the file, or download it again"


def map_file(path: Path) -> mmap.mmap:
    """A file's bytes, mapped for reading.

    Raises:
        RawDataError: when it is missing or empty.
    """
    with os_errors(RawDataError, path), regular_file(path).open("rb") as file:
        if path.stat().st_size == 0:
            raise RawDataError(f"{path}: empty file, expected JSON; download it again")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _unpickle(path: Path) -> list[Any]:
    with os_errors(RawDataError, path):
        pickled = regular_file(path).read_bytes()
    try:
        content = load_plain(pickled)
    except NOT_PLAIN as error:
        raise RawDataError(f"{path}: not a pickle of plain data: {one_line(error)}; download it again") from None
    if not isinstance(content, list):
        raise RawDataError(f"{path}: $: expected list, got {type(content).__name__}; is this the expected file?")
    return content
