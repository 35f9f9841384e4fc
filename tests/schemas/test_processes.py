"""Processes under a temporary folder whose path is too long for a socket."""

import os
import subprocess
import sys
from pathlib import Path

MIX = Path(sys.executable).with_name("mix")


def test_a_long_temporary_folder_stops_no_command(tiny_mixture: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    done = subprocess.run(
        [MIX, "verify", tiny_mixture, "--jobs", "2"],
        env=os.environ | {"TMPDIR": str(long)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(long.iterdir()) == []
