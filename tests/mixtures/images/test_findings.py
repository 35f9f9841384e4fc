"""One tiny real file for every finding."""

import os
import unicodedata
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from mix665k.mixtures.images.decoding import check_file
from mix665k.mixtures.images.findings import FINDINGS, Finding, Verdict
from mix665k.mixtures.images.similar_names import SimilarNames
from tests.mixtures.images.made import COVERS, check, only, picture, save

NAME = f"{COVERS}/0761183272.jpg"


def found(path: Path, name: str = NAME) -> tuple[Finding | None, str]:
    """Finding and detail of one file."""
    finding, detail, _ = check_file(path, name=name, min_side_px=28)
    return finding, detail


def test_a_sound_jpeg_is_sound(tmp_path: Path) -> None:
    assert check_file(save(tmp_path / "a.jpg"), name=NAME, min_side_px=28) == Verdict()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_and_progressive_jpegs_are_sound(tmp_path: Path, mode: str, progressive: bool) -> None:
    picture(mode=mode).save(tmp_path / "a.jpg", progressive=progressive)
    assert found(tmp_path / "a.jpg") == (None, "")


def test_what_follows_the_end_of_a_jpeg_is_no_matter(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + bytes(700))
    assert found(path) == (None, "")


def test_a_jpeg_with_further_pictures_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[picture(50, 50)])
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.format == "MPO"
    assert found(tmp_path / "a.jpg") == (None, "")


def test_an_image_that_is_nowhere_is_missing(tmp_path: Path) -> None:
    save(tmp_path / "images" / COVERS / "other.jpg")
    bad = only(check(tmp_path, NAME, NAME))
    assert (bad.image, bad.finding, bad.detail) == (NAME, "missing", "")
    assert (bad.records, bad.sources, bad.file, bad.mend) == (2, {"ocrvqa": 2}, None, None)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "images" / "ocr_vqa").mkdir(parents=True)
    assert only(check(tmp_path, NAME)).detail == "no folder ocr_vqa/images"


@pytest.mark.parametrize("name", ["n\0ul.jpg", "x" * 300 + ".jpg", "../a.jpg", "a.jpg/b.jpg"])
def test_names_that_no_file_below_the_folder_has_are_missing(tmp_path: Path, name: str) -> None:
    save(tmp_path / "images" / "a.jpg")
    assert only(check(tmp_path, name)).finding == "missing"


@pytest.mark.parametrize(
    ("named", "lies", "finding"),
    [
        ("vg/VG_100K/1x.jpg", "vg/VG_100K/1X.jpg", "wrong case"),
        ("vg/VG_100K/1.jpg", "VG/vg_100k/1.jpg", "wrong case"),
        ("mine/Gru\u0308n.jpg", "mine/Gr\u00fcn.jpg", "wrong case"),
        ("mine/a.jpg", "mine/a.JPG", "wrong extension"),
        ("mine/a.b.jpg", "mine/a.b.jpeg", "wrong extension"),
        ("mine/a.png", "Mine/A.jpg", "wrong extension"),
    ],
)
def test_a_file_under_a_similar_name_is_named(tmp_path: Path, named: str, lies: str, finding: str) -> None:
    save(tmp_path / "images" / lies, "PNG" if named.endswith("png") else "JPEG")
    bad = only(check(tmp_path, named))
    assert (bad.finding, bad.file, bad.mend) == (finding, lies, "rename")
    assert bad.detail == f"there as {lies.removeprefix('mine/').removeprefix('vg/VG_100K/')}"


def test_a_gif_under_its_own_extension_has_a_wrong_extension(tmp_path: Path) -> None:
    save(tmp_path / "images" / COVERS / "0761183272.gif", "GIF")
    bad = only(check(tmp_path, NAME))
    assert (bad.finding, bad.mend) == ("wrong extension", "convert")
    assert bad.detail == "there as 0761183272.gif"


def test_damage_counts_more_than_a_similar_name(tmp_path: Path) -> None:
    path = save(tmp_path / "images" / COVERS / "0761183272.JPG")
    path.write_bytes(path.read_bytes()[:-100])
    bad = only(check(tmp_path, NAME))
    assert (bad.finding, bad.mend) == ("truncated", None)
    assert bad.detail == f"there as 0761183272.JPG: ends after {path.stat().st_size:,} bytes"


def test_of_several_similar_names_none_is_taken(tmp_path: Path) -> None:
    for name in ("0761183272.JPG", "0761183272.png"):
        save(tmp_path / "images" / COVERS / name)
    bad = only(check(tmp_path, NAME))
    assert (bad.finding, bad.mend) == ("missing", None)
    assert bad.detail == f"{COVERS}/0761183272.JPG or {COVERS}/0761183272.png?"


def test_each_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed, listdir = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or listdir(folder))  # type: ignore[func-returns-value]
    save(tmp_path / COVERS / "0.JPG")
    places = SimilarNames(tmp_path)
    assert [places.similar(f"{COVERS}/{i}.jpg") for i in range(50)] == [[f"{COVERS}/0.JPG"]] + [[]] * 49
    assert listed == [tmp_path / f"{COVERS}/"]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "BMP", "TIFF"])
def test_another_format_under_the_name_of_a_jpeg_is_named(tmp_path: Path, form: str) -> None:
    assert found(save(tmp_path / "a.jpg", form)) == ("wrong format", f"{form}, named .jpg")


@pytest.mark.parametrize(
    ("name", "form", "finding"),
    [("a.png", "PNG", None), ("a.PNG", "PNG", None), ("a.png", "JPEG", "wrong format"), ("a", "PNG", None)],
)
def test_the_extension_of_the_name_tells_the_format(
    tmp_path: Path, name: str, form: str, finding: Finding | None
) -> None:
    assert found(save(tmp_path / name, form), name)[0] == finding


def test_a_cut_file_is_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-1])
    assert found(path) == ("truncated", f"ends after {path.stat().st_size:,} bytes")


def test_a_file_filled_up_with_zeros_is_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
    with Image.open(path) as opened:
        opened.load()  # Pillow has no complaint
    assert found(path) == ("truncated", "has no end marker, filled up with other bytes")


def test_a_jpeg_cut_in_its_header_is_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:200])
    assert found(path) == ("truncated", "ends after 200 bytes")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"<!DOCTYPE html>\n<title>404</title>", "text that begins '<!DOCTYPE html> <title>404</title>'"),
        (b"\x00\x01\x02\xfe\xff\x00\x00\x00\x00", "no picture, begins 00 01 02 fe ff 00 00 00"),
    ],
)
def test_what_is_no_picture_is_not_decodable(tmp_path: Path, content: bytes, detail: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert found(tmp_path / "a.jpg") == ("not decodable", detail)


def test_a_damaged_jpeg_is_not_decodable(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc0")
    content[at + 4] = 77  # bits per sample
    path.write_bytes(content)
    assert found(path)[0] == "not decodable"


@pytest.mark.parametrize(
    ("width", "height", "detail"),
    [
        (1, 1, "1 x 1 pixels, expected 28 or more"),
        (500, 27, "500 x 27 pixels, expected 28 or more"),
        (28, 5_601, "28 x 5601 pixels, expected no side over 200 times the other"),
        (5_601, 28, "5601 x 28 pixels, expected no side over 200 times the other"),
    ],
)
def test_sides_that_no_trainer_takes_are_insane(tmp_path: Path, width: int, height: int, detail: str) -> None:
    path = save(tmp_path / "a.jpg", made=Image.new("RGB", (width, height)))
    assert found(path) == ("implausible size", detail)


def test_the_longest_side_that_trainers_take_is_no_fault(tmp_path: Path) -> None:
    assert found(save(tmp_path / "a.jpg", made=Image.new("RGB", (5_600, 28)))) == (None, "")


def test_the_shortest_side_can_be_chosen(tmp_path: Path) -> None:
    save(tmp_path / "images" / NAME, made=picture(20, 20))
    assert only(check(tmp_path, NAME)).finding == "implausible size"
    assert check(tmp_path, NAME, min_side_px=20).bad == []


def test_an_empty_file_is_insane(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert found(tmp_path / "a.jpg") == ("implausible size", "0 bytes")


def test_more_pixels_than_pillow_takes_are_insane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    assert found(path) == ("implausible size", "image size (2400 pixels) exceeds limit of 2000 pixels")


def test_a_folder_a_pipe_and_links_to_nothing_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "lost.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "ring.jpg").symlink_to("ring.jpg")
    assert found(tmp_path / "folder.jpg") == ("not a file", "a folder")
    assert found(tmp_path / "pipe.jpg") == ("not a file", "a device or a pipe")
    assert found(tmp_path / "lost.jpg") == ("not a file", "a link to nowhere.jpg, which is not there")
    assert found(tmp_path / "ring.jpg")[0] == "not a file"


def test_a_link_to_an_image_is_as_good_as_the_image(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert found(tmp_path / "link.jpg") == (None, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    path.chmod(0)
    assert found(path) == ("unreadable", "permission denied")


def test_what_the_system_will_not_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.jpg")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert found(path) == ("unreadable", "permission denied")


@pytest.mark.parametrize(
    ("name", "form", "mode", "note"),
    [
        ("a.jpg", "JPEG", "CMYK", "CMYK"),
        ("a.png", "PNG", "P", "palette"),
        ("a.png", "PNG", "I;16", "more than 8 bits (scaled)"),
        ("a.png", "PNG", "RGBA", "transparent (black in training by default)"),
        ("a.png", "PNG", "RGB", ""),
    ],
)
def test_what_a_trainer_may_trip_over_is_noted(tmp_path: Path, name: str, form: str, mode: str, note: str) -> None:
    save(
        tmp_path / "images" / name,
        form,
        picture(mode="L").convert("I").convert("I;16") if "I" in mode else picture(mode=mode),
    )
    report = check(tmp_path, name)
    assert report.bad == []
    assert report.notes == ({note: [name]} if note else {})


def test_unicode_names_are_names(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFC", "mine/Stra\u00dfe \u7ea2.jpg")
    save(tmp_path / "images" / name)
    assert check(tmp_path, name).bad == []


def test_every_finding_is_explained() -> None:
    assert set(FINDINGS) == set(get_args(Finding))
