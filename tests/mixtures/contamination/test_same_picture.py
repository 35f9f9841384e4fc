"""Images that are equal by content."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from mix665k.mixtures.contamination.findings import Kind
from mix665k.schemas.errors import MixtureError
from tests.mixtures.contamination.contaminated import RECORDS, lines, look, only


def picture(path: Path, colour: str, *, dot: bool = False) -> None:
    """A small picture without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("RGB", (8, 6), colour)
    if dot:
        drawn.putpixel((0, 0), (1, 2, 3))
    drawn.save(path, format="PNG" if path.suffix == ".png" else "BMP")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The images of `RECORDS`, each of another colour, but that of `mine`, which is not there."""
    names = {one["image"] for name, records in RECORDS.items() for one in records if "image" in one and name != "mine"}
    for name, colour in zip(sorted(names), ("red", "green", "blue", "white"), strict=True):
        picture(tmp_path / "images" / name, colour)
    return tmp_path / "images"


def test_the_same_bytes_and_the_same_pixels_are_found_and_nothing_else(
    contaminated: Path, images: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    picture(theirs / "same.bmp", "red")
    picture(theirs / "rewrapped.png", "red")
    picture(theirs / "deep" / "other.png", "green", dot=True)
    picture(theirs / "deep" / "unlike.png", "black")
    (theirs / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    found = look(contaminated, eval_images=(str(theirs),), images=images)
    one = only(found)
    assert (one.name, one.layout, one.questions, one.images, one.files) == ("theirs", "images", 0, 5, 5)
    assert (one.total.content, one.total.records[Kind.CONTENT], one.share(Kind.CONTENT)) == (2, 2, 0.4)
    assert [(hit.evaluation, hit.records) for hit in one.examples] == [
        (name, ["vqa/000000000042#0", "options/42#0"]) for name in ("rewrapped.png", "same.bmp")
    ]
    assert found.pictures is not None
    assert (found.pictures.images, found.pictures.files) == (5, 5)
    assert (found.pictures.missing, found.pictures.unreadable) == (["mine/7.jpg"], ["broken.jpg"])


def test_a_question_about_a_picture_of_another_name_is_a_pair(contaminated: Path, images: Path, tmp_path: Path) -> None:
    picture(tmp_path / "theirs" / "x.png", "red")
    asked = [{"image": "x.png", "question": "Is it dry?"}, {"image": "y.png", "question": "Is it dry?"}]
    path = lines(tmp_path, "set.jsonl", *asked)
    assert only(look(contaminated, path)).total.pairs == 0
    for jobs in (1, 2):
        found = look(contaminated, path, eval_images=(f"set={tmp_path / 'theirs'}",), images=images, jobs=jobs)
        total = only(found).total
        assert (total.images, total.pairs, total.text, total.content) == (0, 1, 1, 1)


def test_two_folders_of_one_name_are_refused(contaminated: Path, images: Path, tmp_path: Path) -> None:
    picture(tmp_path / "theirs" / "x.png", "red")
    folder = str(tmp_path / "theirs")
    with pytest.raises(MixtureError, match="two folders are called 'theirs'; name one with NAME=DIR"):
        look(contaminated, eval_images=(folder, folder), images=images)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MixtureError, match="no images below it"):
        look(contaminated, eval_images=(str(tmp_path / "empty"),), images=images)


@pytest.mark.skipif(sys.platform == "darwin", reason="takes no such names")
def test_a_picture_whose_name_is_not_utf8_is_refused(contaminated: Path, images: Path, tmp_path: Path) -> None:
    picture(tmp_path / "theirs" / "caf\udce9.bmp", "red")
    with pytest.raises(MixtureError, match=r"'caf\\udce9.bmp' is not UTF-8; rename it"):
        look(contaminated, eval_images=(str(tmp_path / "theirs"),), images=images)
