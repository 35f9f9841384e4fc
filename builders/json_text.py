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
    (b"PK\x05\x06", "an empty zip archive, expected JSON; download it again"),
    (b"7z\xbc\xaf", "a 7z archive, expected JSON; unpack it"),
    (b"Rar!", "a RAR archive, expected JSON; unpack it"),
    (b"\x04\x22\x4d\x18", "lz4-compressed, expected JSON; unpack it with unlz4"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed, expected JSON; unpack it with unzstd"),
    (b"\xfd7zXZ", "xz-compressed, expected JSON; unpack it with unxz"),
    (b"BZh", "bzip2-compressed, expected JSON; unpack it with bunzip2"),
    (b"PAR1", "a Parquet file, expected JSON; `datasets` or `polars` can write it as JSON"),
    (b"ARROW1", "an Arrow file, expected JSON; `datasets` or `polars` can write it as JSON"),
    (b"SQLite format 3", "an SQLite database, expected JSON"),
    (b"\x93NUMPY", "a NumPy array, expected JSON"),
    (b"%PDF", "a PDF, expected JSON"),
    (b"\x89PNG", "a picture, expected JSON"),
    (b"\xff\xd8\xff", "a picture, expected JSON"),
    *((bytes([0x80, protocol]), "a pickle, expected JSON") for protocol in range(2, 6)),
    (b"\xff\xfe\0\0", "UTF-32, expected UTF-8; re-save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32, expected UTF-8; re-save it as UTF-8"),
    (b"\xff\xfe", "UTF-16, expected UTF-8; re-save it as UTF-8"),
    (b"\xfe\xff", "UTF-16, expected UTF-8; re-save it as UTF-8"),
    (b"version https://git-lfs", "a Git LFS pointer, expected the file itself; run `git lfs pull`"),
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"
"""JSON's white space; Python strips more."""
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}", b",")
_NUMBERS = re.compile(rb'("(?:[^"\\]|\\.)*")|-?\bInfinity\b|\bNaN\b', re.DOTALL)


def container(data: bytes | mmap | memoryview) -> str | None:
    """What a file is that is not JSON, and what to do about it; None for one that may be JSON."""
    start = bytes(data[:512])
    text = start.removeprefix(BOM).lstrip()
    if found := next((what for mark, what in _STARTS if start.startswith(mark) or text.startswith(mark)), None):
        return found
    if text.startswith(b"<"):
        return "a web page, expected JSON; the address may be wrong or need a login, download it again"
    if re.match(rb"[\[{\s]\0|\0+[\[{\s]", start):
        return "UTF-16 or UTF-32, expected UTF-8; re-save it as UTF-8"
    if start[257:262] == b"ustar":
        return "a tar archive, expected JSON; unpack it"
    if b"\0" in start[:64]:
        return "binary data, expected JSON; is this the expected file?"
    if re.match(rb"[\[{(\s]*'", text):
        return "Python's own notation, expected JSON; write it with json.dump"
    if not text and len(data) <= len(start):
        return "white space only, expected JSON; download it again"
    if text and text[:1] not in b'[{"-0123456789tfn':
        words = text.splitlines()[0][:40].decode("utf-8", errors="replace")
        return f"begins with {words!r}, expected JSON; is this the expected file?"
    return None


def is_json_lines(data: memoryview) -> bool:
    """Whether each line is a JSON object: the first or second is a complete one, as one of them may be damaged."""
    line, _, rest = bytes(data[:1_000_000]).lstrip().partition(b"\n")
    second, _, _ = rest.lstrip().partition(b"\n")
    if not (line.startswith(b"{") and second.startswith(b"{")):
        return False
    return _is_object(line) or (line.rstrip().endswith(b"}") and _is_object(second))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)  # unlike msgspec, it takes NaN and half a surrogate pair
    except (ValueError, RecursionError):
        return False


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

    None for a text that ends before its records do, or goes on after them, and where what is around the records is no
    JSON. A record may hold what msgspec refuses in the file: NaN, half a surrogate pair, lists in lists in lists.

    Raises:
        ValueError: for a key that is not text.
    """
    # A scan for brackets outside of strings: ten times as slow as msgspec, for files that msgspec refuses only.
    level = 1 if at in ("[]", "{}") else 2
    field = None if level == 1 else f'"{at}"'.encode()
    records: list[tuple[str | int, msgspec.Raw]] = []
    start, end, key_stop = -1, 0, 0
    first, last = 0, 0  # where the list of records begins and ends, if it is a field
    before_keys = b""  # of the records of an object: white space, or it is no JSON
    key: bytes | None = None
    for token, begin, stop, depth in _tokens(data):
        if depth == 0:
            return None
        if token in _OPENING:
            if depth == level and (field is None or (token == b"[" and key == field)):
                start = stop
                first = first or stop
        elif token in _CLOSING:
            if depth == level and start >= 0:
                if piece := bytes(data[start:begin]).strip(_SPACE).removeprefix(b":").strip(_SPACE):
                    records.append((_name(key) if at == "{}" and key else len(records), msgspec.Raw(piece)))
                start, last = (stop if token == b"," else -1), begin
            if beside is not None and depth == 1 and key and key != field:
                beside[_name(key)] = msgspec.Raw(
                    bytes(data[key_stop:begin]).strip(_SPACE).removeprefix(b":").strip(_SPACE)
                )
            key = None if depth == 1 else key
            end = stop if depth == 1 and token != b"," else end
        elif depth == 1 and key is None:
            before_keys += bytes(data[start:begin]).strip(_SPACE) if at == "{}" else b""
            key, key_stop, start = token, stop, stop if at == "{}" else start
    is_whole = end > 0 and not before_keys and not bytes(data[end:]).strip(_SPACE)
    return records if is_whole and (field is None or _is_json(bytes(data[:first]) + bytes(data[last:]))) else None


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


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
