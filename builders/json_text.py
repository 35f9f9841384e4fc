"""What lies under a JSON file's name: its text without a byte-order mark, other containers by name, odd JSON by record.

msgspec reads a well-formed file in one pass. Here is what files look like that Python's `json` reads and it does not.
"""

import json
import re
from collections.abc import Iterator
from mmap import mmap

import msgspec

BOM = b"\xef\xbb\xbf"
_STARTS = (
    (b"\x1f\x8b", "gzip-compressed, expected JSON; unpack it with gunzip"),
    (b"PK\x03\x04", "a zip archive, expected JSON; unpack it"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed, expected JSON; unpack it with unzstd"),
    (b"\xfd7zXZ", "xz-compressed, expected JSON; unpack it with unxz"),
    (b"BZh", "bzip2-compressed, expected JSON; unpack it with bunzip2"),
    (b"PAR1", "a Parquet file, expected JSON; `datasets` or `polars` can write it as JSON"),
    (b"\x80\x04", "a pickle, expected JSON"),
    (b"\xff\xfe", "UTF-16, expected UTF-8; re-save it as UTF-8"),
    (b"\xfe\xff", "UTF-16, expected UTF-8; re-save it as UTF-8"),
    (b"version https://git-lfs", "a Git LFS pointer, expected the file itself; run `git lfs pull`"),
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}", b",")
_NUMBERS = re.compile(rb'("(?:[^"\\]|\\.)*")|-?\bInfinity\b|\bNaN\b', re.DOTALL)


def container(data: bytes | mmap | memoryview) -> str | None:
    """What a file is that is not JSON, and what to do about it; None for one that may be JSON."""
    start = bytes(data[:512])
    if found := next((what for mark, what in _STARTS if start.startswith(mark)), None):
        return found
    text = start.removeprefix(BOM).lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, expected JSON; the address may be wrong or need a login, download it again"
    if b"\0" in start[:64]:
        return "UTF-16 or UTF-32, expected UTF-8; re-save it as UTF-8"
    if re.match(rb"[\[{(\s]*'", text):
        return "Python's own notation, expected JSON; write it with json.dump"
    return None


def is_json_lines(data: memoryview) -> bool:
    """Whether the first line is a complete JSON object and another begins after it: a record on each line."""
    line, _, rest = bytes(data[:1_000_000]).lstrip().partition(b"\n")
    if not line.startswith(b"{") or not rest.lstrip().startswith(b"{"):
        return False
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def place_in_text(data: memoryview, offset: int) -> str:
    """A byte's place as people count: `line 3, column 7`."""
    before = bytes(data[:offset])
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", errors="replace")) + 1
    number = before.count(b"\n") + 1
    return f"line {number:,}, column {column:,}"


def split_records(
    data: memoryview, *, at: str, beside: dict[str, msgspec.Raw] | None = None
) -> list[tuple[str | int, msgspec.Raw]] | None:
    """The undecoded records of a file with their keys or indices, however odd each is; `at` is that of `RawFile`.

    Where the records are a field of the file's object, its other fields are added to `beside`.

    None for a text that ends before its records do, or goes on after them. A record may hold what msgspec refuses in
    the file: NaN, half a surrogate pair, lists in lists in lists.

    Raises:
        ValueError: for a key that is not text.
    """
    # A scan for brackets outside of strings: ten times as slow as msgspec, for files that msgspec refuses only.
    level = 1 if at in ("[]", "{}") else 2
    field = None if level == 1 else f'"{at}"'.encode()
    records: list[tuple[str | int, msgspec.Raw]] = []
    start, end, key_stop = -1, 0, 0
    key: bytes | None = None
    for token, begin, stop, depth in _tokens(data):
        if depth == 0:
            return None
        if token in _OPENING:
            if depth == level and (field is None or (token == b"[" and key == field)):
                start = stop
        elif token in _CLOSING:
            if depth == level and start >= 0:
                if piece := bytes(data[start:begin]).strip().removeprefix(b":").strip():
                    records.append((_name(key) if at == "{}" and key else len(records), msgspec.Raw(piece)))
                start = stop if token == b"," else -1
            if beside is not None and depth == 1 and key and key != field:
                beside[_name(key)] = msgspec.Raw(bytes(data[key_stop:begin]).strip().removeprefix(b":").strip())
            key = None if depth == 1 else key
            end = stop if depth == 1 and token != b"," else end
        elif depth == 1 and key is None:
            key, key_stop, start = token, stop, stop if at == "{}" else start
    return records if end and not bytes(data[end:]).strip() else None


def _tokens(data: memoryview) -> Iterator[tuple[bytes, int, int, int]]:
    """Strings, brackets and commas: the token, where it begins and stops, and how deep it is, its own bracket counted.

    What follows the end of the outermost value has depth 0.
    """
    depth, ended = 0, False
    for found in _TOKEN.finditer(data):
        token = found[0]
        depth += token in _OPENING
        yield token, found.start(), found.end(), 0 if ended else depth
        depth -= token in (b"]", b"}")
        ended = depth == 0


def _name(key: bytes) -> str:
    name: str = msgspec.json.decode(key)
    return name


def has_half_pair(raw: bytes) -> bool:
    """Whether a record that Python's `json` reads holds half of a surrogate pair, which no text in UTF-8 can."""
    try:
        json.dumps(json.loads(raw), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def without_numbers_that_are_none(raw: bytes) -> bytes:
    """A record with null for NaN and infinities, which JSON does not have and Python writes."""
    return _NUMBERS.sub(lambda found: found[1] or b"null", raw)
