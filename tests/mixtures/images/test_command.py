"""`mix images` as it is typed and read."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from mix665k.builders.synthetic import draw_images
from mix665k.mixtures.images.findings import to_json
from mix665k.mixtures.mixture import EXPECTED
from tests.mixtures.images.made import COVERS, check, mixture, picture, save
from tests.mixtures.small import run

MIX = Path(sys.executable).with_name("mix")
PATIENCE_S = 60


@pytest.fixture
def bad_images(tmp_path: Path) -> tuple[Path, Path]:
    """A file in LLaVA's form, and a folder in which most of its images are bad in one way or another."""
    folder = tmp_path / "images"
    for i in range(40):
        save(folder / f"coco/train2017/{i:012d}.jpg")
    save(folder / COVERS / "1.jpg", "GIF")
    save(folder / COVERS / "2.JPG")
    (folder / COVERS / "3.jpg").touch()
    save(folder / COVERS / "5.jpg", made=picture(mode="CMYK"))
    names = [f"coco/train2017/{i:012d}.jpg" for i in range(40)] + [f"{COVERS}/{i}.jpg" for i in (1, 1, 2, 3, 4, 5)]
    return mixture(tmp_path, *names, None), folder


def test_good_images_are_exit_code_0(tmp_path: Path) -> None:
    save(tmp_path / "images" / "mine.jpg")
    shown = run("images", mixture(tmp_path, "mine.jpg", None), "--images", tmp_path / "images")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert [line.split() for line in shown.stdout.splitlines() if "other images" in line] == [
        ["other", "images", "1", "1", "0"]
    ]


def test_bad_images_are_exit_code_1_and_one_line(bad_images: tuple[Path, Path]) -> None:
    path, folder = bad_images
    shown = run("images", path, "--images", folder)
    assert shown.exit_code == 1
    assert shown.stderr.splitlines() == [
        f"error: --images {folder}: 4 of 45 images cannot be used as they are, expected none; the first is "
        f"'{COVERS}/1.jpg': wrong format (GIF, named .jpg); pass --fix, which fixes 2, and get the others again"
    ]
    for text in ("wrong format", "wrong extension", "implausible size", "missing", "sound, but CMYK: 1"):
        assert text in shown.stdout


def test_the_json_is_all_of_stdout(bad_images: tuple[Path, Path]) -> None:
    path, folder = bad_images
    shown = run("images", path, "--images", folder, "--format", "json")
    assert shown.exit_code == 1
    found = json.loads(shown.stdout)
    assert [(bad["image"], bad["finding"], bad["records"]) for bad in found["bad"]] == [
        (f"{COVERS}/1.jpg", "wrong format", 2),
        (f"{COVERS}/2.jpg", "wrong extension", 1),
        (f"{COVERS}/3.jpg", "implausible size", 1),
        (f"{COVERS}/4.jpg", "missing", 1),
    ]
    assert [source["name"] for source in found["sources"]] == ["llava_instruct", "ocrvqa", "sharegpt"]
    assert found["total"]["named"] == {"images": 45, "records": 46}
    assert found["notes"] == {"CMYK": [f"{COVERS}/5.jpg"]}


def test_the_list_holds_the_bad_ones(bad_images: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = bad_images
    shown = run("images", path, "--images", folder, "--format", "json", "--write-list", tmp_path / "bad.json")
    assert json.loads((tmp_path / "bad.json").read_text()) == json.loads(shown.stdout)["bad"]


def test_one_source_can_be_chosen(bad_images: tuple[Path, Path]) -> None:
    path, folder = bad_images
    assert run("images", path, "--images", folder, "--source", "llava_instruct").exit_code == 0
    shown = run("images", path, "--images", folder, "--source", "ocrvq")
    assert shown.exit_code == 1
    assert "has no such source; did you mean 'ocrvqa'" in shown.stderr


def test_1_and_4_processes_find_the_same(bad_images: tuple[Path, Path], tmp_path: Path) -> None:
    path, _ = bad_images
    names = [record.get("image") for record in json.loads(path.read_text())]
    assert to_json(check(tmp_path, *names, jobs=1)) == to_json(check(tmp_path, *names, jobs=4))


def test_mending_is_told_and_the_exit_code_is_of_what_remains(bad_images: tuple[Path, Path]) -> None:
    path, folder = bad_images
    shown = run("images", path, "--images", folder, "--fix")
    assert shown.exit_code == 1
    assert "--fix: converted to JPEG 1" in shown.stdout
    assert "--fix: renamed 1" in shown.stdout
    assert f"2 of 45 images cannot be used as they are, expected none; the first is '{COVERS}/3.jpg'" in shown.stderr
    assert shown.stderr.endswith("get them again\n")
    (folder / COVERS / "3.jpg").unlink()
    for name in ("3.png", "4.JPEG"):
        save(folder / COVERS / name, "PNG" if "png" in name else "JPEG")
    assert run("images", path, "--images", folder, "--fix").exit_code == 0


def test_a_mixture_is_looked_at_as_its_export_is(tiny_mixture: Path, made_up_raw: Path, tmp_path: Path) -> None:
    draw_images(made_up_raw, tmp_path / "images", seed=0)
    min((tmp_path / "images" / "gqa" / "images").iterdir()).unlink()
    exported = tmp_path / "mix.json"
    assert run("export", tiny_mixture, "--format", "llava", "--out", exported).exit_code == 0
    totals: list[Any] = []
    for target in (tiny_mixture, exported):
        shown = run("images", target, "--images", tmp_path / "images", "--format", "json")
        assert shown.exit_code == 1
        found = json.loads(shown.stdout)
        assert [(bad["finding"], list(bad["sources"])) for bad in found["bad"]] == [("missing", ["gqa"])]
        totals.append(found["total"])
    assert totals[0] == totals[1]


def test_the_wrong_folder_is_told(tmp_path: Path) -> None:
    save(tmp_path / "images" / "train2017" / "1.jpg")
    path = mixture(tmp_path, "coco/train2017/1.jpg")
    shown = run("images", path, "--images", tmp_path / "images")
    assert "is it the folder that holds coco, gqa and the others?" in shown.stderr
    shown = run("images", path, "--images", tmp_path / "none")
    assert shown.stderr == f"error: --images {tmp_path / 'none'}: no such folder\n"


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            '[{"id": 1, "image": 5, "conversations": []}]',
            "the first is $[0] (id '1'): image: expected a path or null, got a number",
        ),
        ('[{"id": 1, "image": "a.jpg"', "not a complete JSON file"),
        ("{}", "$: expected array, got object; is this the expected file?"),
    ],
)
def test_a_file_of_another_form_is_one_line(tmp_path: Path, records: str, message: str) -> None:
    path = tmp_path / "mixture.json"
    path.write_text(records)
    shown = run("images", path, "--images", tmp_path)
    assert shown.exit_code == 1
    assert message in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_no_mixture_is_one_line(tmp_path: Path) -> None:
    shown = run("images", tmp_path / "none", "--images", tmp_path)
    assert shown.stderr == f"error: {tmp_path / 'none'}: no such file or folder, {EXPECTED}\n"


def test_text_alone_names_no_image(tmp_path: Path) -> None:
    assert run("images", mixture(tmp_path, None), "--images", tmp_path).exit_code == 0
    assert run("images", mixture(tmp_path), "--images", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/bad.json", "expected a file in a folder that is there"),
        ("mixture.json", "would overwrite what it is about; name another"),
    ],
)
def test_a_list_that_cannot_be_written_is_told_first(tmp_path: Path, name: str, message: str) -> None:
    path = mixture(tmp_path, "a.jpg")
    shown = run("images", path, "--images", tmp_path, "--write-list", tmp_path / name)
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert f"error: --write-list {tmp_path / name}: {message}" in shown.stderr


def test_control_characters_are_not_printed(tmp_path: Path) -> None:
    shown = run("images", mixture(tmp_path, "a\x1b[31m.jpg"), "--images", tmp_path)
    assert "\x1b" not in shown.output


@pytest.fixture
def long_work(tmp_path: Path) -> list[str]:
    """A command that takes a while: one large picture under many names."""
    large = save(tmp_path / "images" / "large.jpg", made=Image.effect_noise((1_200, 1_200), 60))
    names = [f"{i}.jpg" for i in range(4_000)]
    for name in names:
        os.link(large, tmp_path / "images" / name)
    path = mixture(tmp_path, *names)
    return [str(MIX), "images", str(path), "--images", str(tmp_path / "images"), "--jobs", "2"]


def started(command: list[str]) -> tuple["subprocess.Popen[str]", list[psutil.Process]]:
    """The command and its two busy processes."""
    pipe = subprocess.PIPE
    running = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    begun = time.monotonic()
    while True:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() - begun < PATIENCE_S
        servers = [p for p in psutil.Process(running.pid).children() if p.children()]
        workers = [worker for server in servers for worker in server.children()]
        if len(workers) == 2 and all(worker.cpu_times().user > 0.1 for worker in workers):
            return running, workers
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [False, True])
def test_an_interrupt_ends_all_without_a_traceback(long_work: list[str], to_all: bool) -> None:
    running, workers = started(long_work)
    (os.killpg if to_all else os.kill)(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130
    assert errors == "interrupted\n"
    psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.slow
def test_a_killed_process_is_one_line(long_work: list[str]) -> None:
    running, workers = started(long_work)
    workers[0].kill()
    output, errors = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, output) == (1, "")
    assert errors == "error: one of its processes was killed by signal 9; out of memory? try --jobs 1\n"


@pytest.mark.slow
def test_a_killed_command_takes_its_processes_along(long_work: list[str]) -> None:
    running, workers = started(long_work)
    running.kill()
    running.communicate(timeout=PATIENCE_S)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert alive == []
