"""Splitting JSON that msgspec refuses: the same records as a whole parse gives, and nothing of what is cut off."""

import gzip
import json
import lzma
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.json_text import (
    container,
    is_json_lines,
    place_in_text,
    split_records,
    without_numbers_that_are_none,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=200)
TEXT = st.text(st.sampled_from('ab"\\[]{},:\n é🙂\u2028'), max_size=6)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=True, allow_infinity=True, width=32) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
INDENT = st.sampled_from([None, 0, 2])


def split(text: str, *, at: str) -> list[tuple[str | int, Any]] | None:
    """The records of a text with their keys or indices, as Python's json reads each."""
    found = split_records(memoryview(text.encode()), at=at)
    return found and [(key, json.loads(bytes(raw))) for key, raw in found]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, NaN to itself."""
    return json.dumps(one) == json.dumps(other)


@PROPERTY
@given(st.lists(VALUE, min_size=1, max_size=5), INDENT, st.booleans())
def test_a_list_is_split_into_its_records(records: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    assert same(split(f" {text}\n", at="[]"), [[k, record] for k, record in enumerate(records)])


@PROPERTY
@given(st.dictionaries(TEXT, VALUE, min_size=1, max_size=5), INDENT)
def test_an_object_is_split_into_its_values_by_key(records: dict[str, Any], indent: int | None) -> None:
    found = split(json.dumps(records, indent=indent), at="{}")
    assert same(found, [[key, record] for key, record in records.items()])


@PROPERTY
@given(st.lists(VALUE, min_size=1, max_size=4), st.dictionaries(TEXT, VALUE, max_size=3), st.booleans())
def test_a_list_in_a_field_is_split_whatever_other_fields_hold(
    records: list[Any], others: dict[str, Any], first: bool
) -> None:
    others.pop("data", None)
    nested = {"info": {"data": [1, 2]}, "name": "data", **others}
    whole = {"data": records, **nested} if first else {**nested, "data": records}
    assert same(split(json.dumps(whole), at="data"), [[k, record] for k, record in enumerate(records)])


@PROPERTY
@given(st.lists(VALUE, min_size=1, max_size=4), st.data())
def test_a_text_that_is_cut_off_gives_nothing(records: list[Any], data: st.DataObject) -> None:
    text = json.dumps(records).encode()
    assert split_records(memoryview(text[: data.draw(st.integers(0, len(text) - 1))]), at="[]") is None


@pytest.mark.parametrize("text", ["", "  ", "1", '"a"', "[1] [2]", "[1]]", "[1]{}", '[1], "b"', "[1] x", "x [1"])
def test_what_is_no_list_gives_nothing(text: str) -> None:
    assert split_records(memoryview(text.encode()), at="[]") is None


@pytest.mark.parametrize(
    ("around", "is_read"),
    [
        ('{"info": {"year": 2014}, "questions": [1, x], "license": NaN}', True),
        ('{"info": {"year" 2014}, "questions": [1, x], "license": {}}', False),
        ('{"info": {"year": 2014}, "questions": [1, x], "license": {}, oops}', False),
        ('{"info": {"year": 2014} "questions": [1, x]}', False),
        ('{"info": {}, "questions": [1, x] x}', False),
    ],
)
def test_a_file_whose_header_is_damaged_gives_nothing(around: str, is_read: bool) -> None:
    found = split_records(memoryview(around.encode()), at="questions")
    assert (found is not None) is is_read


@pytest.mark.parametrize(
    ("text", "is_read"),
    [('{"a": x,\n "b": 2}', True), ('{"a": 1, x "b": 2}', False), ('{x"a": 1}', False), ('{"a": 1,\v"b": 2}', False)],
)
def test_an_object_with_more_than_keys_and_records_gives_nothing(text: str, is_read: bool) -> None:
    assert (split_records(memoryview(text.encode()), at="{}") is not None) is is_read


def test_a_key_that_is_not_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        split_records(memoryview(b'{"\xff": 1}'), at="{}")


@PROPERTY
@given(VALUE)
def test_numbers_that_json_does_not_have_become_null_outside_of_texts(value: Any) -> None:
    record = {"value": value, "text": 'NaN, "Infinity" and -Infinity'}
    read = msgspec.json.decode(without_numbers_that_are_none(json.dumps(record).encode()))
    assert read["text"] == record["text"]
    nulls = json.loads(json.dumps(record), parse_constant=lambda name: None)
    assert same(read, nulls)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": 1}\n{"a": 2}\n', True),
        ('\n {"a": 1}\r\n\r\n{"a": 2}', True),
        ('{"a": 1}', False),
        ('{"a": 1}\n', False),
        ('{\n"a": 1}\n{', False),
        ('{"a": 1}\n[2]', False),
        ("[1]\n[2]", False),
        ('{"a": 1,\n{"b": 2}', False),
        ('{"a": NaN}\n{"a": "\\ud800"}', True),
        ('{"a": b}\n{"a": 2}', True),
    ],
)
def test_json_lines_are_told_by_their_first_two(text: str, lines: bool) -> None:
    assert is_json_lines(memoryview(text.encode())) is lines


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"[]"), "gzip-compressed"),
        (lzma.compress(b"[]"), "xz-compressed"),
        (b"PK\x03\x04", "a zip archive"),
        (b"BZh91AY", "bzip2-compressed"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
        (b"\x80\x04\x95", "a pickle"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (b"\xef\xbb\xbf<html>", "a web page"),
        (b"<body>Sign in</body>", "a web page"),
        (b"({'a': 1},)", "Python's own notation"),
        (b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\r\n", "a Git LFS pointer"),
        ("[1]".encode("utf-32"), "UTF-32"),
        ('{"a"'.encode("utf-16-be"), "UTF-16 or UTF-32"),
        (b"a.json".ljust(257, b"\0") + b"ustar", "a tar archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x80\x02]q\0", "a pickle"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\0" * 90, "binary data"),
        (b"Quota exceeded\n", "begins with 'Quota exceeded'"),
        (b" \n", "white space only"),
        (b"[1, 2", None),
        (b'["\'"', None),
        (b'{"a"', None),
    ],
)
def test_a_container_is_named_for_what_it_is(content: bytes, what: str | None) -> None:
    found = container(content)
    assert found is None if what is None else found is not None and found.startswith(what)


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        ("[1]", 0, "line 1, column 1"),
        ("[1]", 2, "line 1, column 3"),
        ("[\n\n 1]", 4, "line 3, column 2"),
        ("é\né🙂x", 9, "line 2, column 3"),
        ("\n" * 1_234, 1_234, "line 1,235, column 1"),
    ],
)
def test_a_byte_is_told_as_line_and_column(text: str, offset: int, place: str) -> None:
    assert place_in_text(memoryview(text.encode()), offset) == place
