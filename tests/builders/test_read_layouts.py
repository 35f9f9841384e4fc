"""Records are read alike from every layout of a raw file, and named by path and id."""

import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.builders.decode import BadRecord, json_path, read, read_again, sound_entries
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.schemas.errors import RawDataError


class Painting(msgspec.Struct):
    """`{"number": 17, "title": "Mill"}`."""

    number: int
    title: str


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
RECORDS = st.lists(st.builds(Painting, st.integers(-(2**40), 2**40), TEXT), max_size=5, unique_by=lambda p: p.number)
LAYOUTS = ("[]", "{}", "lines", "pickle", "paintings")


def _file(at: str) -> RawFile:
    return RawFile(role="p", path="p", form=Painting, at=at, id=None if at == "{}" else "number")


def _content(at: str, records: list[Any]) -> bytes:
    """Records with numbers as a file of this layout has them."""
    if at == "pickle":
        return pickle.dumps(records, protocol=2)
    if at == "lines":
        return "\n\n".join(json.dumps(record) for record in records).encode() + b"\n"
    whole = {"{}": {str(record.get("number")): record for record in records}, "[]": records}
    return json.dumps(whole.get(at, {"info": [1], at: records})).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of many examples."""
    return tmp_path_factory.mktemp("layouts")


@pytest.mark.parametrize("at", LAYOUTS)
@settings(deadline=None, derandomize=True, max_examples=40)
@given(records=RECORDS)
def test_every_layout_gives_the_records_in_order_with_their_ids(folder: Path, at: str, records: list[Painting]) -> None:
    path = folder / f"file-{LAYOUTS.index(at)}"
    path.write_bytes(_content(at, [msgspec.to_builtins(record) for record in records]))

    found = list(read(_file(at), path, lambda _: None))

    assert [(identifier, record) for _, identifier, record in found] == [(str(r.number), r) for r in records]
    assert [position for position, *_ in found] == [
        str(record.number) if at == "{}" else 2 * i if at == "lines" else i for i, record in enumerate(records)
    ]


@pytest.mark.parametrize(
    ("at", "where"),
    [
        ("[]", "$[1].title"),
        ("{}", "$['2'].title"),
        ("lines", "line 3.title"),
        ("pickle", "$[1].title"),
        ("paintings", "$.paintings[1].title"),
    ],
)
def test_a_bad_record_is_named_by_its_path_and_the_others_are_read(tmp_path: Path, at: str, where: str) -> None:
    records = [{"number": 1, "title": "Mill"}, {"number": 2, "title": 3}, {"number": 4, "title": "Kite"}]
    path = tmp_path / "file"
    path.write_bytes(_content(at, records))

    found = list(read(_file(at), path, lambda _: None))

    assert [identifier for _, identifier, _ in found] == ["1", "2", "4"]
    assert found[1][2] == BadRecord(where, "expected str, got int")
    assert [entry.id for entry in sound_entries(_file(at), (path,), lambda _: None)] == ["1", "4"]


@pytest.mark.parametrize(
    ("at", "content", "why"),
    [
        ("[]", b'{"a": 1}', r"\$: expected array, got object; is this the expected file\?"),
        ("{}", b"[1]", r"\$: expected object, got array; is this the expected file\?"),
        ("paintings", b'{"pictures": []}', r"\$: object missing required field paintings; is this the expected file\?"),
        ("paintings", b'{"paintings": {}}', r"\$\.paintings: expected array, got object; is this the expected file\?"),
        ("[]", b'[{"number": 1', "not a complete JSON file: input data was truncated; download it again"),
        ("pickle", pickle.dumps({"a": 1}), r"\$: expected list, got dict; is this the expected file\?"),
        ("pickle", b"\x80\x02", "not a pickle of plain data: .*; download it again"),
    ],
)
def test_a_file_of_another_layout_is_an_error(tmp_path: Path, at: str, content: bytes, why: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(RawDataError, match=rf"/file: {why}$"):
        list(read(_file(at), path, lambda _: None))


def test_a_record_without_an_id_goes_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(_content("[]", [{"number": 1, "title": "Mill"}] * 2))
    file = RawFile(role="p", path="p", form=Painting)
    assert [identifier for _, identifier, _ in read(file, path, lambda _: None)] == ["$[0]", "$[1]"]


def test_a_record_keeps_what_its_form_does_not_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'[{"number": 1, "title": "Mill", "room": 4}]')
    [entry] = sound_entries(_file("[]"), (path,), lambda _: None)
    assert entry.record == Painting(1, "Mill")
    assert msgspec.json.decode(entry.raw) == {"number": 1, "title": "Mill", "room": 4}


def test_records_are_read_again_by_their_places(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(_content("[]", [{"number": i, "title": "Mill"} for i in range(5)]))
    assert read_again(_file("[]"), path, {1, 3}) == {1: Painting(1, "Mill"), 3: Painting(3, "Mill")}


@pytest.mark.parametrize(
    ("at", "position", "path"),
    [("[]", 3, "$[3]"), ("{}", "a'b", '$["a\'b"]'), ("lines", 0, "line 1"), ("data", 7, "$.data[7]")],
)
def test_the_path_of_a_record_follows_the_layout(at: str, position: str | int, path: str) -> None:
    assert json_path(RawFile(role="p", path="p", form=Painting, at=at), position) == path


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_declared_file_lies_in_a_folder_of_its_source_and_says_where_it_comes_from(source: str) -> None:
    for file in SOURCES[source].about.files:
        assert file.download is not None
        assert not Path(file.path).is_absolute()
        assert file.path == Path(file.path).as_posix()
        assert (file.member == "") == (not file.download.name.endswith((".zip", ".tar.gz")))


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_image_folder_that_comes_as_an_archive_says_which_members_belong_there(source: str) -> None:
    for images, download in SOURCES[source].about.archives:
        assert images.members.endswith("/")
        assert images.path("0012") == images.pattern.replace(images.pattern[images.pattern.index("<") :], "0012.jpg")
        assert download.addresses
