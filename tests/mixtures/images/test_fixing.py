"""`--fix`: what it mends, what it leaves alone, and that no original is lost."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from mix665k.mixtures.images.fixing import FixTask, as_jpeg, fix_all
from mix665k.schemas.errors import MixtureError
from tests.mixtures.images.made import COVERS, check, mixture, only, picture, save

NAME = f"{COVERS}/0761183272.jpg"
MIX = Path(sys.executable).with_name("mix")
PATIENCE_S = 60


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "BMP"])
def test_a_picture_in_disguise_becomes_a_jpeg(tmp_path: Path, form: str) -> None:
    path = save(tmp_path / "images" / NAME, form)
    found = check(tmp_path, NAME, fix=True)
    assert found.bad == []
    assert [(one.image, one.file, one.mend, one.failed) for one in found.mended] == [(NAME, NAME, "convert", None)]
    with Image.open(path) as mended:
        assert (mended.format, mended.mode, mended.size) == ("JPEG", "RGB", (60, 40))
    assert list(files(tmp_path / "images")) == [NAME]


def test_the_first_frame_of_several_is_taken(tmp_path: Path) -> None:
    red, blue = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    red.save(tmp_path / "a.jpg", "GIF", save_all=True, append_images=[blue])
    (tmp_path / "b.jpg").write_bytes(as_jpeg(tmp_path / "a.jpg"))
    assert Image.open(tmp_path / "b.jpg").getpixel((20, 20)) == (254, 0, 0)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_what_is_transparent_lies_on_white(tmp_path: Path, form: str) -> None:
    save(tmp_path / "a.jpg", form, Image.new("RGBA", (40, 40), (255, 0, 0, 0)))
    (tmp_path / "b.jpg").write_bytes(as_jpeg(tmp_path / "a.jpg"))
    assert Image.open(tmp_path / "b.jpg").getpixel((20, 20)) == (255, 255, 255)


def test_sixteen_bits_keep_their_greys(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", "PNG", Image.new("I;16", (40, 40), 128 * 256))
    (tmp_path / "b.jpg").write_bytes(as_jpeg(tmp_path / "a.jpg"))
    assert Image.open(tmp_path / "b.jpg").getpixel((20, 20)) == (128, 128, 128)


@pytest.mark.parametrize("lies", ["0761183272.JPG", "0761183272.jpeg", "0761183272.png"])
def test_a_jpeg_under_a_similar_name_is_renamed(tmp_path: Path, lies: str) -> None:
    content = save(tmp_path / "images" / COVERS / lies).read_bytes()
    found = check(tmp_path, NAME, fix=True)
    assert found.bad == []
    assert [one.mend for one in found.mended] == ["rename"]
    assert files(tmp_path / "images") == {NAME: content}


def test_a_gif_under_its_own_extension_is_converted_and_kept(tmp_path: Path) -> None:
    gif = save(tmp_path / "images" / COVERS / "0761183272.gif", "GIF").read_bytes()
    assert check(tmp_path, NAME, fix=True).bad == []
    left = files(tmp_path / "images")
    assert sorted(left) == [f"{COVERS}/0761183272.gif", NAME]
    assert left[f"{COVERS}/0761183272.gif"] == gif


def test_a_folder_in_other_letters_is_renamed_with_all_that_it_holds(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.JPG", "unnamed.txt"):
        save(tmp_path / "images" / "VG" / "vg_100k" / name)
    assert check(tmp_path, "vg/VG_100K/1.jpg", "vg/VG_100K/2.jpg", fix=True).bad == []
    assert sorted(files(tmp_path / "images")) == [f"vg/VG_100K/{name}" for name in ("1.jpg", "2.jpg", "unnamed.txt")]


def test_a_folder_that_the_mixture_names_in_both_ways_stays(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        save(tmp_path / "images" / "vg" / name)
    assert check(tmp_path, "vg/1.jpg", "VG/2.jpg", fix=True).bad == []
    assert sorted(files(tmp_path / "images")) == ["VG/2.jpg", "vg/1.jpg"]


def test_a_file_that_the_mixture_names_too_is_copied(tmp_path: Path) -> None:
    content = save(tmp_path / "images" / "mine" / "a.JPG").read_bytes()
    found = check(tmp_path, "mine/a.JPG", "mine/A.jpg", "mine/a.jpg", fix=True)
    assert found.bad == []
    assert [one.mend for one in found.mended] == ["copy", "copy"]
    assert files(tmp_path / "images") == dict.fromkeys(["mine/a.JPG", "mine/A.jpg", "mine/a.jpg"], content)


def test_a_folder_that_the_mapping_names_stays(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        save(tmp_path / "images" / "vg" / name)
    (tmp_path / "mapping.json").write_text('{"mine/3.jpg": "vg/2.jpg"}')
    found = check(tmp_path, "VG/1.jpg", "mine/3.jpg", mapping=tmp_path / "mapping.json", fix=True)
    assert found.bad == []
    assert sorted(files(tmp_path / "images")) == ["VG/1.jpg", "mine/3.jpg", "vg/2.jpg"]


def test_mending_twice_changes_nothing_more(tmp_path: Path) -> None:
    names = [f"{COVERS}/{name}.jpg" for name in ("gif", "upper", "png")]
    save(tmp_path / "images" / COVERS / "gif.jpg", "GIF")
    save(tmp_path / "images" / COVERS / "upper.JPG")
    save(tmp_path / "images" / COVERS / "png.png", "PNG")
    assert len(check(tmp_path, *names, fix=True).mended) == 3
    once = files(tmp_path / "images")
    again = check(tmp_path, *names, fix=True)
    assert (again.bad, again.mended) == ([], [])
    assert files(tmp_path / "images") == once


def test_what_cannot_be_mended_is_not_touched(tmp_path: Path) -> None:
    cut = save(tmp_path / "images" / COVERS / "cut.jpg")
    cut.write_bytes(cut.read_bytes()[:-50])
    save(tmp_path / "images" / COVERS / "one.jpg", "GIF", Image.new("RGB", (1, 1)))
    save(tmp_path / "images" / COVERS / "jpeg.png")
    (tmp_path / "images" / COVERS / "text.jpg").write_text("404")
    before = files(tmp_path / "images")
    names = [f"{COVERS}/{name}" for name in ("cut.jpg", "one.jpg", "jpeg.png", "text.jpg", "missing.jpg")]
    found = check(tmp_path, *names, fix=True)
    assert len(found.bad) == len(names)
    assert found.mended == []
    assert files(tmp_path / "images") == before


def test_nothing_outside_the_folder_is_opened_or_touched(tmp_path: Path) -> None:
    outside = save(tmp_path / "outside.jpg", "GIF")
    before = outside.read_bytes()
    found = check(tmp_path, "../outside.jpg", str(outside), fix=True)
    assert [(bad.finding, bad.mend) for bad in found.bad] == [("missing", None)] * 2
    assert [bad.detail.partition(",")[0] for bad in found.bad] == [
        "a path out of the images folder",
        "no path below the images folder",
    ]
    assert outside.read_bytes() == before


def test_a_link_becomes_a_file_and_what_it_pointed_to_stays(tmp_path: Path) -> None:
    gif = save(tmp_path / "store" / "x.gif", "GIF")
    before = gif.read_bytes()
    link = tmp_path / "images" / NAME
    link.parent.mkdir(parents=True)
    link.symlink_to(gif)
    assert check(tmp_path, NAME, fix=True).bad == []
    assert not link.is_symlink()
    assert gif.read_bytes() == before


def test_a_failure_leaves_the_original_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save(tmp_path / NAME, "GIF").read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    [outcome] = fix_all([FixTask(NAME, NAME, "convert")], folder=tmp_path, min_side_px=28)
    assert outcome.failed == "no space left on device"
    assert outcome.verdict.finding == "wrong format"
    assert files(tmp_path) == {NAME: before}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    save(tmp_path / "a.JPG")
    before = save(tmp_path / "a.jpg", made=picture(50, 50)).read_bytes()
    [outcome] = fix_all([FixTask("a.jpg", "a.JPG", "rename")], folder=tmp_path, min_side_px=28)
    assert outcome.failed == "it is there by now"
    assert (tmp_path / "a.jpg").read_bytes() == before


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    names = [f"{COVERS}/{i}.jpg" for i in range(3)]
    for name in names:
        save(tmp_path / "images" / name, "GIF")
    before = files(tmp_path / "images")
    shown = subprocess.run(
        [MIX, "images", mixture(tmp_path, *names), "--images", tmp_path / "images", "--fix"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000)),
    )
    assert shown.returncode == 1
    assert "could not fix 3, the first is ocr_vqa/images/0.jpg: file too large" in shown.stdout
    assert len(shown.stderr.splitlines()) == 1
    assert shown.stderr.endswith("--fix could not fix 3: file too large\n")
    assert files(tmp_path / "images") == before


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_and_the_next_one_goes_on(tmp_path: Path) -> None:
    names = [f"{COVERS}/{i}.jpg" for i in range(120)]
    gif = save(tmp_path / "images" / names[0], "GIF").read_bytes()
    for name in names[1:]:
        (tmp_path / "images" / name).write_bytes(gif)
    jpeg = as_jpeg(tmp_path / "images" / names[0])
    path, folder = mixture(tmp_path, *names), tmp_path / "images"
    command = [str(argument) for argument in (MIX, "images", path, "--images", folder, "--fix", "--jobs", 2)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begun = time.monotonic()
    while (tmp_path / "images" / names[0]).read_bytes() == gif:
        assert running.poll() is None
        assert time.monotonic() - begun < PATIENCE_S
    running.send_signal(signal.SIGKILL)
    running.wait()
    left = files(tmp_path / "images")
    assert {left[name] for name in names} <= {gif, jpeg}
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert set(files(tmp_path / "images").values()) == {jpeg}


def test_two_runs_do_not_mend_at_once(tmp_path: Path) -> None:
    save(tmp_path / "images" / NAME, "GIF")
    with FileLock(tmp_path / "images" / ".mix-images.lock"):
        with pytest.raises(MixtureError, match="another `mix images --fix` is at work there"):
            check(tmp_path, NAME, fix=True)
    assert only(check(tmp_path, NAME)).finding == "wrong format"
