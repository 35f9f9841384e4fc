"""What a killed run left goes with the next one, what a running one holds stays."""

import tempfile
from pathlib import Path

import pytest

from mix665k.mixtures.storage.held_folders import claimed
from tests.loopback_hub import Hub
from tests.mixtures.small import run


def left(folder: Path) -> Path:
    """A folder that nobody holds, with half of a repository in it."""
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "gqa-00000-of-00001.parquet").write_bytes(b"half")
    return folder


def new(folder: Path) -> Path:
    """A new folder."""
    folder.mkdir()
    return folder


def test_publishing_removes_what_killed_runs_left(
    loopback: Hub, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = new(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    left(work / "mix-publish-killed")
    left(work / "another-tool")
    with claimed(new(work / "mix-publish-running")):
        assert run("publish", small, "me/mix", "--jobs", "1").exit_code == 0
    assert sorted(path.name for path in work.iterdir()) == ["another-tool", "mix-publish-running"]


def test_a_dry_run_goes_on_over_what_a_killed_one_left(small: Path, tmp_path: Path) -> None:
    left(tmp_path / ".out.part")
    shown = run("publish", small, "me/mix", "--dry-run", "--out", tmp_path / "out", "--jobs", "1")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert not (tmp_path / "out" / "images").exists()
    assert not (tmp_path / ".out.part").exists()


def test_two_dry_runs_into_one_folder_do_not_meet(small: Path, tmp_path: Path) -> None:
    with claimed(new(tmp_path / ".out.part")):
        shown = run("publish", small, "me/mix", "--dry-run", "--out", tmp_path / "out", "--jobs", "1")
        assert shown.exit_code == 1
        assert "another run writes it" in shown.stderr
        assert (tmp_path / ".out.part").is_dir()
