"""`mix images`, `mix build --images` and the trainer agree on what is there and what can be decoded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mix665k.trainer.data.images import find_faults
from tests.mixtures.images.made import COVERS, check, picture, save

NAME = f"{COVERS}/a.jpg"


def _cut(path: Path) -> None:
    save(path).write_bytes(path.read_bytes()[:-30])


def _link_to_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to("nowhere")


def _text(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("404")


MAKE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "wrong extension": lambda path: save(path.with_suffix(".gif"), "GIF"),
    "wrong case": lambda path: save(path.with_name("A.jpg")),
    "not a file": _link_to_nothing,
    "truncated": _cut,
    "not decodable": _text,
    "implausible size": lambda path: save(path).write_bytes(b""),
}


@pytest.mark.parametrize("finding", MAKE)
def test_what_the_trainer_cannot_load_is_bad(tmp_path: Path, finding: str) -> None:
    MAKE[finding](tmp_path / "images" / NAME)
    found = check(tmp_path, NAME)
    faults = list(find_faults(tmp_path / "images", [NAME], decode=True, jobs=1, on_done=lambda: None))
    assert [bad.finding for bad in found.bad] == [finding]
    assert [name for name, _ in faults] == [NAME]
    absent = finding in ("missing", "wrong extension", "wrong case", "not a file")
    assert absent == (not (tmp_path / "images" / NAME).is_file())


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_what_is_sound_the_trainer_can_load(tmp_path: Path, mode: str) -> None:
    save(tmp_path / "images" / NAME, made=picture(mode=mode))
    assert check(tmp_path, NAME).bad == []
    assert list(find_faults(tmp_path / "images", [NAME], decode=True, jobs=1, on_done=lambda: None)) == []
