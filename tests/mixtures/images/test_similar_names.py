"""Finding an image under another case, Unicode form or extension, and what may not be looked for."""

from pathlib import Path

import pytest

from mix665k.mixtures.images.similar_names import SimilarNames, difference


def put(folder: Path, *names: str) -> SimilarNames:
    """Files of these names, and what finds them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return SimilarNames(folder)


@pytest.mark.parametrize(
    ("there", "image"),
    [
        ("vg/1.JPG", "vg/1.jpg"),
        ("VG/1.jpg", "vg/1.jpg"),
        ("vg/1.png", "vg/1.jpg"),
        ("vg/Caf\u00e9.jpg", "vg/Cafe\u0301.jpg"),
        ("VG/Images/A.JPEG", "vg/images/a.jpg"),
        ("notes/A.TXT", "notes/a.txt"),
    ],
)
def test_a_similar_file_is_found(tmp_path: Path, there: str, image: str) -> None:
    assert put(tmp_path, there).similar(image) == [there]


@pytest.mark.parametrize(
    ("there", "image"),
    [
        ("vg/12.jpg", "vg/1.jpg"),
        ("gqa/1.jpg", "vg/1.jpg"),
        ("vg/1.txt", "vg/1.jpg"),
        ("notes/a.md", "notes/a.txt"),
        ("vg/1.jpg/x", "vg/1.JPG"),
    ],
)
def test_another_file_is_not_similar(tmp_path: Path, there: str, image: str) -> None:
    assert put(tmp_path, there).similar(image) == []


def test_all_that_could_be_meant_are_named_in_order(tmp_path: Path) -> None:
    assert put(tmp_path, "VG/1.png", "Vg/1.gif").similar("vg/1.jpg") == ["VG/1.png", "Vg/1.gif"]


def test_a_folder_of_the_right_name_hides_those_in_other_letters(tmp_path: Path) -> None:
    assert put(tmp_path, "VG/1.jpg", "vg/2.jpg").similar("vg/1.jpg") == []


def test_nothing_outside_the_folder_is_looked_for(tmp_path: Path) -> None:
    names = put(tmp_path / "images", "1.jpg")
    (tmp_path / "2.JPG").touch()
    assert names.similar("../2.jpg") == []
    assert names.similar(str(tmp_path / "2.jpg")) == []


def test_the_first_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    names = put(tmp_path, "coco/train2017/1.jpg")
    assert names.lost_folder("coco/val2017/deep/1.jpg") == "coco/val2017"
    assert names.lost_folder("gqa/images/1.jpg") == "gqa"
    assert names.lost_folder("coco/train2017/2.jpg") is None


@pytest.mark.parametrize(
    ("image", "file", "what"),
    [("a.jpg", "A.jpg", "wrong case"), ("a.jpg", "a.JPG", "wrong extension"), ("a.jpg", "a.png", "wrong extension")],
)
def test_the_difference_is_in_the_extension_or_in_the_letters(image: str, file: str, what: str) -> None:
    assert difference(image, file) == what
