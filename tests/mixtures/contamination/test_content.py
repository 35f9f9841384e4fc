"""The content of image files: equal bytes, equal pixels in other bytes, and what is not decoded."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from mix665k.mixtures.contamination.content import Content, Sought, contents_of, image_files
from mix665k.schemas.errors import MixtureError


def save(path: Path, *, colour: str = "teal", size: tuple[int, int] = (6, 4)) -> None:
    """A picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def content(folder: Path, name: str, sought: Sought = Sought()) -> Content:  # noqa: B008, a record
    """The content of one file."""
    [found] = contents_of([name], folder=folder, sought=sought)
    return found


def test_the_same_pixels_in_another_format_are_equal_and_the_bytes_are_not(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp"):
        save(tmp_path / name)
    png, bmp = content(tmp_path, "a.png"), content(tmp_path, "a.bmp")
    assert png.pixels == bmp.pixels is not None
    assert png.bytes != bmp.bytes
    assert png.size == (6, 4)
    assert png.bytes == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_the_same_pixels_in_another_shape_are_another_picture(tmp_path: Path) -> None:
    save(tmp_path / "wide.png", size=(6, 4))
    save(tmp_path / "tall.png", size=(4, 6))
    assert content(tmp_path, "wide.png").pixels != content(tmp_path, "tall.png").pixels


def test_a_file_whose_bytes_are_sought_is_not_decoded(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    digest = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert content(tmp_path, "a.png", Sought(frozenset({digest}))) == Content("a.png", digest)


def test_a_file_of_a_size_that_nobody_seeks_is_not_decoded(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    found = content(tmp_path, "a.png", Sought(sizes=frozenset({(7, 7)})))
    assert (found.pixels, found.size) == (None, (6, 4))
    assert content(tmp_path, "a.png", Sought(sizes=frozenset({(6, 4)}))).pixels is not None


def test_a_damaged_file_has_its_bytes_only_and_a_missing_one_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    found = content(tmp_path, "text.png")
    assert (found.bytes is None, found.pixels, found.size) == (False, None, None)
    for name in ("missing.png", "folder.png", "nul\0.png"):
        assert content(tmp_path, name) == Content(name, None)


def test_image_files_are_found_in_all_folders_and_others_are_not(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.webp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.jpg").mkdir()
    assert image_files(tmp_path) == ["a.webp", "b/1.png", "b/2.JPG"]


def test_a_name_that_is_not_utf8_is_an_error_that_can_be_printed(tmp_path: Path) -> None:
    try:
        (tmp_path / "caf\udce9.png").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(MixtureError, match=r"'caf\\udce9\.png' is not UTF-8; rename it"):
        image_files(tmp_path)
