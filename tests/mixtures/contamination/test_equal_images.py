"""Which files of the mixture are files of an evaluation set, and what these are called."""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from mix665k.mixtures.contamination.equal_images import Folder, compare_image_files, folders
from mix665k.mixtures.contamination.evaluation import ITEM, EvaluationSet
from mix665k.mixtures.image_keys import COLLECTIONS, Aliases
from mix665k.schemas.errors import MixtureError
from tests.mixtures.contamination.contaminated import bar


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (4, 2), colour: Any = (255, 0, 0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def test_folders_are_called_as_they_are_named_or_by_their_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "theirs" / "x.png")
    save(tmp_path / "a=b" / "y.png")
    monkeypatch.chdir(tmp_path / "theirs")
    given = [".", f"pope={tmp_path / 'theirs'}", str(tmp_path / "a=b")]
    assert [(one.name, one.files) for one in folders(given, tmp_path)] == [
        ("theirs", ["x.png"]),
        ("pope", ["x.png"]),
        ("a=b", ["y.png"]),
    ]
    assert folders([], None) == []
    with pytest.raises(MixtureError, match=r"--images .*none: no such folder"):
        folders([], tmp_path / "none")


def asking(name: str, *images: str, collection: str | None = None) -> EvaluationSet:
    rows = [(str(i), image, "why") for i, image in enumerate(images)]
    return EvaluationSet(
        name=name,
        path=Path(f"{name}.json"),
        layout="list",
        sha256="f" * 64,
        questions=pl.DataFrame(rows, schema=ITEM, orient="row"),
        collection=COLLECTIONS[collection] if collection else None,
    )


def compare(tmp_path: Path, *sets: EvaluationSet, theirs: dict[str, list[str]], mine: list[str]) -> Any:
    """The files of `theirs` beside those of `mine`; those that are there have the colour of their name."""
    given = [Folder(name, tmp_path / name, files) for name, files in theirs.items()]
    ours = Folder("the mixture", tmp_path / "mine", mine)
    return compare_image_files(sets, folders=given, mine=ours, aliases=Aliases(None), jobs=1, bar=bar)


def test_equal_images_are_linked_with_the_keys_of_both(tmp_path: Path) -> None:
    save(tmp_path / "set" / "42.png")
    save(tmp_path / "set" / "43.bmp", colour=(0, 9, 0))
    save(tmp_path / "mine" / "vg" / "7.png")
    save(tmp_path / "mine" / "b.bmp")
    found = compare(
        tmp_path,
        asking("set", "coco/42", collection="coco"),
        theirs={"set": ["42.png", "43.bmp"]},
        mine=["vg/7.png", "b.bmp"],
    )
    assert found.links.rows() == [
        ("set", "42.png", "coco/42", "b.bmp", "own/b.bmp"),
        ("set", "42.png", "coco/42", "vg/7.png", "vg/7"),
    ]
    [one] = found.sets
    assert (one.files, one.sha256, one.questions.height) == (2, "f" * 64, 1)


def test_a_copy_of_an_evaluation_image_is_equal_to_others_of_its_pixels_too(tmp_path: Path) -> None:
    """Its bytes say all, so it is not decoded: its pixels are known from the image that it is a copy of."""
    save(tmp_path / "one" / "a.png")
    save(tmp_path / "two" / "a.bmp")
    save(tmp_path / "mine" / "copy.png")
    found = compare(tmp_path, theirs={"one": ["a.png"], "two": ["a.bmp"]}, mine=["copy.png"])
    assert [(row[0], row[3]) for row in found.links.rows()] == [("one", "copy.png"), ("two", "copy.png")]


def test_an_undecodable_file_is_equal_by_its_bytes(tmp_path: Path) -> None:
    for folder in ("set", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(b"broken")
        (tmp_path / folder / f"{folder}.jpg").write_bytes(folder.encode())
    found = compare(tmp_path, theirs={"set": ["set.jpg", "x.jpg"]}, mine=["gone.jpg", "mine.jpg", "x.jpg"])
    assert [row[1] + row[3] for row in found.links.rows()] == ["x.jpgx.jpg"]
    assert found.pictures.missing == ["gone.jpg"]
    assert found.pictures.unreadable == ["set.jpg", "x.jpg", "mine.jpg"]
    assert (found.pictures.images, found.pictures.files) == (3, 2)


def test_a_folder_that_belongs_to_no_set_becomes_one_whose_hash_is_that_of_its_files(tmp_path: Path) -> None:
    save(tmp_path / "set" / "000000000042.png")
    save(tmp_path / "mine" / "a.png", colour=(1, 1, 1))
    found = compare(tmp_path, asking("other"), theirs={"set": ["000000000042.png"]}, mine=["a.png"])
    other, one = found.sets
    assert (other.name, other.files, other.files_sha256) == ("other", 0, None)
    assert one.questions.rows() == [("000000000042.png", "coco/42", None)]
    digest = hashlib.sha256((tmp_path / "set" / "000000000042.png").read_bytes()).hexdigest()
    expected = hashlib.sha256(f"000000000042.png\0{digest}\n".encode()).hexdigest()
    assert (one.layout, one.files, one.sha256, one.files_sha256) == ("images", 1, expected, expected)
    assert found.links.is_empty()
