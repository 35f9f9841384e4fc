"""The file that says what to use for covers that are gone."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.images.findings import Count
from mix665k.mixtures.images.mapping import load_mapping
from mix665k.schemas.errors import RawDataError
from tests.mixtures.images.made import COVERS, check, only, save

GONE, OTHER = f"{COVERS}/1437717772.jpg", f"{COVERS}/51YTH4k3fUL.jpg"


def written(tmp_path: Path, entries: object) -> Path:
    """A mapping in JSON."""
    path = tmp_path / "mapping.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"a.jpg": "b.jpg", "c.jpg": null, "d.jpg": ""}'),
        ("a.csv", "image,file\na.jpg,b.jpg\nc.jpg,\nd.jpg\n"),
        ("a.csv", '\ufeffimage,file\r\n"a.jpg",b.jpg\r\nc.jpg,\r\nd.jpg,""\r\n'),
    ],
)
def test_a_mapping_is_json_or_csv(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load_mapping(tmp_path / name) == {"a.jpg": "b.jpg", "c.jpg": None, "d.jpg": None}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[1]", r"a.json: \$: expected object, got array; is this the expected file"),
        (
            "a.json",
            '{"a.jpg": 1}',
            r"a.json: \$\['a.jpg'\]: expected str . null, got int, expected a file's path or null",
        ),
        ("a.json", '{"a.jpg": null, "a.jpg": "b.jpg"}', r"a.json: 'a.jpg' occurs twice, expected once"),
        ("a.json", '{"a.jpg": "/etc/b.jpg"}', r"'/etc/b.jpg' is outside, expected a path below the images folder"),
        ("a.json", '{"a.jpg": "../b.jpg"}', r"'../b.jpg' is outside"),
        ("a.json", '{"a.jpg"', r"a.json: not a complete JSON file"),
        ("a.csv", "a.jpg,b.jpg\n", r"a.csv: line 1: \['a.jpg', 'b.jpg'\], expected the header image,file"),
        ("a.csv", "image,file\n,b.jpg\n", r"a.csv: line 2: expected an image and a file or nothing"),
        ("a.csv", "image,file\na,b,c\n", r"a.csv: line 2: expected an image and a file or nothing"),
        ("a.csv", 'image,file\n"a', r"a.csv: not CSV: unexpected end of data"),
    ],
)
def test_another_form_is_an_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RawDataError, match=message):
        load_mapping(tmp_path / name)


@pytest.mark.parametrize("name", ["none.json", "none.csv"])
def test_no_mapping_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(RawDataError, match=f"{name}: no such file or directory"):
        load_mapping(tmp_path / name)


def test_a_known_missing_image_is_told_apart(tmp_path: Path) -> None:
    found = check(tmp_path, GONE, GONE, mapping=written(tmp_path, {GONE: None}))
    assert found.bad == []
    [known] = found.known_missing
    assert (known.image, known.records, known.sources) == (GONE, 2, {"ocrvqa": 2})
    assert found.total.known_missing == Count(1, 2)
    assert found.total.bad == Count(0, 0)


def test_a_mapped_file_is_used_and_then_copied_into_place(tmp_path: Path) -> None:
    other = save(tmp_path / "images" / OTHER)
    mapping = written(tmp_path, {GONE: OTHER})
    found = check(tmp_path, GONE, mapping=mapping)
    assert found.bad == []
    assert [(one.image, one.file) for one in found.mapped] == [(GONE, OTHER)]
    mended = check(tmp_path, GONE, mapping=mapping, fix=True)
    assert (mended.bad, mended.mapped, [one.mend for one in mended.mended]) == ([], [], ["copy"])
    assert (tmp_path / "images" / GONE).read_bytes() == other.read_bytes()
    assert check(tmp_path, GONE).bad == []


def test_a_mapped_gif_is_used_and_then_converted_into_place(tmp_path: Path) -> None:
    file = f"{COVERS}/51YTH4k3fUL.gif"
    save(tmp_path / "images" / file, "GIF")
    mapping = written(tmp_path, {GONE: file})
    assert check(tmp_path, GONE, mapping=mapping).bad == []
    assert [one.mend for one in check(tmp_path, GONE, mapping=mapping, fix=True).mended] == ["convert"]
    assert check(tmp_path, GONE).bad == []


def test_a_mapped_file_that_is_missing_or_damaged_is_bad(tmp_path: Path) -> None:
    mapping = written(tmp_path, {GONE: OTHER})
    bad = only(check(tmp_path, GONE, mapping=mapping))
    assert (bad.finding, bad.detail, bad.file) == ("missing", f"mapped to {OTHER}", OTHER)
    save(tmp_path / "images" / OTHER).write_bytes(b"")
    bad = only(check(tmp_path, GONE, mapping=mapping))
    assert (bad.finding, bad.detail) == ("implausible size", f"mapped to {OTHER}: 0 bytes")


def test_an_image_that_is_there_needs_no_mapping(tmp_path: Path) -> None:
    save(tmp_path / "images" / GONE)
    found = check(tmp_path, GONE, mapping=written(tmp_path, {GONE: None, "x.jpg": None}))
    assert (found.bad, found.known_missing, found.mapping_unused) == ([], [], 1)


def test_a_mapping_does_not_excuse_what_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "images" / COVERS).mkdir(parents=True)
    (tmp_path / "images" / GONE).touch()
    assert only(check(tmp_path, GONE, mapping=written(tmp_path, {GONE: None}))).finding == "implausible size"
