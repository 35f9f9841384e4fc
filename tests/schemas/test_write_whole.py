"""Files that are written whole or not at all."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mix665k.schemas.files import write_whole

MIX = Path(sys.executable).with_name("mix")


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a.json", "old")

    def full(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.json'"):
        write_whole(tmp_path / "a.json", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_list_that_does_not_fit_on_the_disk_is_one_line(tiny_mixture: Path, tmp_path: Path) -> None:
    shown = subprocess.run(
        [MIX, "images", tiny_mixture, "--images", tmp_path, "--write-list", tmp_path / "bad.json", "--jobs", "1"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
    )
    assert shown.returncode == 1
    assert shown.stderr == f"error: {tmp_path}/bad.json: file too large\n"
