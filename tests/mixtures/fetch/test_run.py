"""Whole runs, from a mirror that has every source."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.fetch.downloads import chosen, raw_jobs
from tests.conftest import SilentWatcher
from tests.mixtures.fetch.packing import packed, zipped
from tests.mixtures.fetch.server import Act, Publisher
from tests.mixtures.small import run

OKVQA = (
    "/okvqa/OpenEnded_mscoco_train2014_questions.json.zip",
    "/okvqa/mscoco_train2014_annotations.json.zip",
)


@pytest.fixture
def mirror(publisher: Publisher, made_up_raw: Path) -> Publisher:
    """A mirror of made-up raw files."""
    for job in raw_jobs(chosen([]), made_up_raw):
        publisher.files[f"/{job.name}"] = packed(job, made_up_raw)
    return publisher


def files(shown: str) -> dict[str, str]:
    """The state of each download in a report."""
    return {file["name"]: file["state"] for file in json.loads(shown)["files"]}


def test_what_is_fetched_from_a_mirror_can_be_built(mirror: Publisher, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shown = run("fetch", "--raw", raw, "--mirror", mirror.url, "--accept-changed", "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    assert set(files(shown.stdout).values()) == {"fetched"}
    assert not [path.name for path in raw.rglob("*") if path.suffix in (".zip", ".gz", ".part")]
    listener = SilentWatcher()
    build(make_plan("tiny", Options(raw, tmp_path / "mixture")), jobs=2, overwrite=False, listener=listener)
    assert len(listener.done) == 10
    asked = len(mirror.asked)
    again = run("fetch", "--raw", raw, "--mirror", mirror.url, "--format", "json")
    assert set(files(again.stdout).values()) == {"there"}
    assert len(mirror.asked) == asked


def test_files_that_are_not_the_known_ones_are_refused(mirror: Publisher, tmp_path: Path) -> None:
    shown = run("fetch", "--source", "vqav2", "--raw", tmp_path, "--mirror", mirror.url)
    assert shown.exit_code == 1
    assert "the publisher's file has changed" in shown.stdout
    assert shown.stderr.splitlines()[-1].startswith("error: 2 of 2 are not there yet, for the reasons above")


def test_what_fails_does_not_keep_the_rest_from_coming(mirror: Publisher, tmp_path: Path) -> None:
    mirror.always[OKVQA[0]] = Act(404)
    shown = run(
        "fetch",
        "--source",
        "okvqa",
        "--source",
        "aokvqa",
        "--raw",
        tmp_path,
        "--mirror",
        mirror.url,
        "--format",
        "json",
    )
    assert shown.exit_code == 1
    assert sorted(files(shown.stdout).values()) == ["failed", "fetched", "fetched"]
    mirror.always.clear()
    shown = run(
        "fetch",
        "--source",
        "okvqa",
        "--source",
        "aokvqa",
        "--raw",
        tmp_path,
        "--mirror",
        mirror.url,
        "--format",
        "json",
    )
    assert shown.exit_code == 0
    assert sorted(files(shown.stdout).values()) == ["fetched", "there", "there"]


def test_a_step_by_hand_is_told_exactly(tmp_path: Path) -> None:
    shown = run("fetch", "--source", "ocrvqa", "--raw", tmp_path)
    assert shown.exit_code == 1
    assert (
        "dataset.json: open https://drive.google.com/file/d/1r0tyZUwGCc4wIG4RkiglCGNL_nFJjR6Q/view in a browser, "
        f"download the file and save it as {tmp_path}/ocrvqa/dataset.json; then run the same command again"
    ) in shown.stdout


def test_files_put_there_by_hand_stay_and_are_said_to_be_unchecked(mirror: Publisher, tmp_path: Path) -> None:
    (tmp_path / "ocrvqa").mkdir()
    (tmp_path / "ocrvqa/dataset.json").write_text("{}")
    shown = run("fetch", "--source", "ocrvqa", "--raw", tmp_path, "--mirror", mirror.url)
    assert shown.exit_code == 0
    assert "put there by hand, not checked" in shown.stdout
    assert mirror.asked == []


def test_a_file_of_your_own_is_kept_when_asked(tmp_path: Path) -> None:
    (tmp_path / "sharegpt").mkdir()
    own = tmp_path / "sharegpt/ShareGPT_V3_unfiltered_cleaned_split.json"
    own.write_text("[]")
    shown = run("fetch", "--source", "sharegpt", "--raw", tmp_path)
    assert shown.exit_code == 1
    assert "remove it to fetch it again, or keep your own with --accept-changed" in shown.stdout
    assert run("fetch", "--source", "sharegpt", "--raw", tmp_path, "--accept-changed").exit_code == 0
    assert own.read_text() == "[]"


def test_one_of_two_files_of_an_archive_is_enough_to_write(mirror: Publisher, tmp_path: Path) -> None:
    (tmp_path / "refcoco/refcoco").mkdir(parents=True)
    (tmp_path / "refcoco/refcoco/instances.json").write_text("mine")
    assert run("fetch", "--source", "refcoco", "--raw", tmp_path, "--mirror", mirror.url).exit_code == 0
    assert (tmp_path / "refcoco/refcoco/instances.json").read_text() == "mine"
    assert (tmp_path / "refcoco/refcoco/refs(unc).p").is_file()


def test_an_archive_put_there_by_hand_is_unpacked_and_stays(mirror: Publisher, tmp_path: Path) -> None:
    (tmp_path / "okvqa").mkdir()
    for path in OKVQA:
        (tmp_path / path[1:]).write_bytes(mirror.files[path])
    assert run("fetch", "--source", "okvqa", "--raw", tmp_path).exit_code == 0
    assert sorted(path.suffix for path in (tmp_path / "okvqa").iterdir()) == [".json", ".json", ".zip", ".zip"]


def test_archives_are_kept_when_asked(mirror: Publisher, tmp_path: Path) -> None:
    assert (
        run("fetch", "--source", "okvqa", "--raw", tmp_path, "--mirror", mirror.url, "--keep-archives").exit_code == 0
    )
    assert (tmp_path / OKVQA[0][1:]).read_bytes() == mirror.files[OKVQA[0]]


def test_an_archive_without_the_file_is_an_error(mirror: Publisher, tmp_path: Path) -> None:
    mirror.files["/gqa/questions1.2.zip"] = zipped({"readme.txt": b"moved"})
    shown = run("fetch", "--source", "gqa", "--raw", tmp_path, "--mirror", mirror.url)
    assert shown.exit_code == 1
    assert "nothing in it for gqa/train_balanced_questions.json; is it the right archive?" in shown.stdout


def test_a_damaged_archive_is_no_measure_for_the_next(mirror: Publisher, tmp_path: Path) -> None:
    whole = mirror.files["/gqa/questions1.2.zip"]
    mirror.files["/gqa/questions1.2.zip"] = whole[:-40]
    shown = run("fetch", "--source", "gqa", "--raw", tmp_path, "--mirror", mirror.url)
    assert "questions1.2.zip: damaged, or no archive: file is not a zip file; remove it" in shown.stdout
    (tmp_path / "gqa/questions1.2.zip").unlink()
    mirror.files["/gqa/questions1.2.zip"] = whole
    assert run("fetch", "--source", "gqa", "--raw", tmp_path, "--mirror", mirror.url).exit_code == 0


@pytest.mark.parametrize("folder", ["", "questions/", "./"])
def test_a_raw_file_is_found_in_any_folder_of_its_archive(mirror: Publisher, tmp_path: Path, folder: str) -> None:
    members = {
        f"__MACOSX/{folder}train_balanced_questions.json": b"no",
        f"{folder}train_balanced_questions.json": b"{}",
    }
    mirror.files["/gqa/questions1.2.zip"] = zipped(members)
    assert run("fetch", "--source", "gqa", "--raw", tmp_path, "--mirror", mirror.url).exit_code == 0
    assert (tmp_path / "gqa/train_balanced_questions.json").read_bytes() == b"{}"


def test_a_dry_run_asks_nobody_and_writes_nothing(mirror: Publisher, tmp_path: Path) -> None:
    arguments = ("fetch", "--raw", tmp_path / "raw", "--images", tmp_path / "images", "--dry-run")
    shown = run(*arguments, "--format", "json")
    assert shown.exit_code == 0
    found = {file["name"]: file for file in json.loads(shown.stdout)["files"]}
    assert found["coco/train2017.zip"]["num_bytes"] == 19_336_861_798
    assert found["gqa/questions1.2.zip"]["note"].startswith("from https://downloads.cs.stanford.edu/nlp/data/gqa/")
    assert found["ocrvqa/dataset.json"]["state"] == "by hand"
    assert not list(tmp_path.iterdir())
    assert f"{mirror.url}/vg/image_data.json.zip" in run(*arguments, "--mirror", mirror.url).stdout
    shown = run(*arguments, "--mixture", tmp_path / "nowhere")
    assert shown.exit_code == 1
    assert "nowhere: no such file or folder" in shown.stderr


def test_raw_files_and_images_may_share_a_folder(mirror: Publisher, tmp_path: Path) -> None:
    mirror.files["/gqa/images.zip"] = zipped({"images/1.jpg": b"x"})
    arguments = ("--mirror", mirror.url, "--accept-changed")
    assert run("fetch", "--source", "gqa", "--raw", tmp_path, "--images", tmp_path, *arguments).exit_code == 0
    assert (tmp_path / "gqa/images/1.jpg").is_file()
    assert (tmp_path / "gqa/train_balanced_questions.json").is_file()


def test_two_runs_at_once_are_kept_apart(mirror: Publisher, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".fetch.lock"):
        shown = run("fetch", "--source", "okvqa", "--raw", tmp_path, "--mirror", mirror.url)
    assert shown.exit_code == 1
    assert shown.stderr == f"error: {tmp_path}: another `mix fetch` is at work there; wait for it\n"
    assert mirror.asked == []


def test_made_up_files_are_not_mixed_with_real_ones(mirror: Publisher, tmp_path: Path) -> None:
    assert run("synth", "--out", tmp_path, "--scale", "0.0005", "--source", "okvqa").exit_code == 0
    shown = run("fetch", "--source", "okvqa", "--raw", tmp_path, "--mirror", mirror.url)
    assert "holds made-up files of `mix synth`; name another folder" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--source", "okvqa"], 2, "name a folder for raw files or for images"),
        (["--raw", "x", "--mirror", "ftp://x"], 2, "expected an address that begins with http://"),
        (["--source", "okvqq", "--raw", "x"], 1, "--source okvqq: no such source; did you mean 'okvqa'?"),
        (
            ["--exclude-source", "okvqq", "--raw", "x"],
            1,
            "--exclude-source okvqq: no such source; did you mean 'okvqa'?",
        ),
        (
            ["--source", "llava_json", "--raw", "x"],
            1,
            "--source llava_json: its file is your own, there is nothing to fetch",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("fetch", *arguments)
    assert shown.exit_code == code
    assert message in " ".join(shown.stderr.split())
    assert not list(tmp_path.iterdir())


def test_a_damaged_record_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "fetched.json").write_text("{")
    shown = run("fetch", "--source", "okvqa", "--raw", tmp_path)
    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"error: {tmp_path}/fetched.json: not what `mix fetch` writes")


def begun(mirror: Publisher, raw: Path) -> "subprocess.Popen[str]":
    """A run in a process of its own, that has got 300,000 bytes of a file and waits for more."""
    mirror.files["/textcaps/TextCaps_0.1_train.json"] = bytes(range(256)) * 4000
    mirror.acts["/textcaps/TextCaps_0.1_train.json"] = [Act(hang_after=300_000)]
    mix = str(Path(sys.executable).with_name("mix"))
    command = [mix, "fetch", "--source", "textcaps", "--raw", str(raw), "--mirror", mirror.url]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    part = raw / "textcaps/TextCaps_0.1_train.json.part"
    for _ in range(2000):
        if part.is_file() and part.stat().st_size == 300_000:
            return process
        time.sleep(0.01)
    raise AssertionError(process.communicate(timeout=5))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_goes_on_with_the_next(mirror: Publisher, tmp_path: Path, number: signal.Signals) -> None:
    process = begun(mirror, tmp_path)
    os.kill(process.pid, number)
    assert process.wait(20) == (130 if number == signal.SIGINT else -9)
    mirror.released.set()
    assert run("fetch", "--source", "textcaps", "--raw", tmp_path, "--mirror", mirror.url).exit_code == 0
    assert mirror.sent("/textcaps/TextCaps_0.1_train.json") == 256 * 4000
    assert (tmp_path / "textcaps/TextCaps_0.1_train.json").read_bytes() == bytes(range(256)) * 4000
