"""Builds that are killed, starved of disk, or lose a process; all through the real command."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from mix665k.mixtures.build.plan import Options
from mix665k.schemas.manifest import STATE, load_manifest
from tests.mixtures.build.test_build import run

MIX = Path(sys.executable).with_name("mix")
PATIENCE_S = 120


def start(raw: Path, out: Path, *options: str, own_group: bool = False) -> subprocess.Popen[str]:
    command = [str(MIX), "build", "tiny", "--raw", str(raw), "--out", str(out), *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=own_group)


def wait_until(done: "subprocess.Popen[str]", path: Path) -> None:
    """Wait for a file that a running build writes."""
    begun = time.monotonic()
    while not path.exists():
        assert done.poll() is None, done.communicate()
        assert time.monotonic() - begun < PATIENCE_S, path
        time.sleep(0.01)


def test_a_killed_build_looks_unfinished_and_goes_on(made_up_raw: Path, tiny_mixture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build = start(made_up_raw, out, "--jobs", "1")
    wait_until(build, out / STATE / "vqav2.json")
    build.send_signal(signal.SIGKILL)
    build.wait()
    assert not (out / "manifest.json").exists()
    manifest, reused = run("tiny", Options(made_up_raw, out))
    assert "vqav2" in reused
    assert manifest == load_manifest(tiny_mixture)
    assert [path.name for path in (out / STATE).iterdir() if path.is_dir()] == []


def test_an_interrupted_build_says_so(made_up_raw: Path, tmp_path: Path) -> None:
    build = start(made_up_raw, tmp_path / "out", "--jobs", "1")
    wait_until(build, tmp_path / "out" / STATE / "vqav2.json")
    build.send_signal(signal.SIGINT)
    _, errors = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors


@pytest.mark.parametrize("to_all", [False, True])
def test_an_interrupted_build_ends_its_processes(made_up_raw: Path, tmp_path: Path, to_all: bool) -> None:
    """A terminal sends Ctrl-C to the processes as well; none of them may answer with a traceback."""
    build = start(made_up_raw, tmp_path / "out", "--jobs", "4", own_group=True)
    wait_until(build, tmp_path / "out" / STATE / "recipe")
    send = os.killpg if to_all else os.kill
    send(build.pid, signal.SIGINT)
    _, errors = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert "Error" not in errors


def test_an_interrupt_waits_for_a_process_to_be_started(
    made_up_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = BaseProcess.start

    def interrupted(process: BaseProcess) -> None:
        begin(process)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(BaseProcess, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("tiny", Options(made_up_raw, tmp_path / "out"))
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_names_its_source(made_up_raw: Path, tmp_path: Path) -> None:
    build = start(made_up_raw, tmp_path / "out", "--source", "sharegpt")
    wait_until(build, tmp_path / "out" / STATE / "recipe")
    victim = None
    while victim is None:
        assert build.poll() is None, build.communicate()
        workers = [p for p in psutil.Process(build.pid).children(recursive=True) if not p.children()]
        busy = [p for p in workers if list((tmp_path / "out" / STATE).glob(f"*.{p.pid}"))]
        victim = busy[0] if busy else None
    victim.kill()
    _, errors = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == 1
    assert errors.splitlines()[-1].startswith("error: sharegpt: its process was killed by signal 9; out of memory?")
    assert not [path for path in (tmp_path / "out" / STATE).iterdir() if path.is_dir()]


def test_a_full_disk_is_one_line(made_up_raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build = subprocess.run(
        [MIX, "build", "tiny", "--raw", made_up_raw, "--out", out, "--source", "vqav2"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
    )
    assert build.returncode == 1
    assert len(build.stderr.splitlines()) == 1
    assert "file too large" in build.stderr.lower()
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == [
        STATE,
        f"{STATE}/lock",
        f"{STATE}/recipe",
        "data",
    ]


@pytest.mark.parametrize("option", [("--limit", "0"), ("--source", "vqa2")])
def test_a_wrong_value_is_one_line(made_up_raw: Path, tmp_path: Path, option: tuple[str, str]) -> None:
    build = start(made_up_raw, tmp_path / "out", *option)
    _, errors = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == 1
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()
