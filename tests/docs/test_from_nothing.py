"""The page that goes from nothing to a score does it, word for word."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "from-nothing.md"


@pytest.mark.slow
def test_the_commands_of_the_page_end_with_a_score(tmp_path: Path) -> None:
    [script] = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [results] = (tmp_path / "results").rglob("results.json")
    found = json.loads(results.read_bytes())
    assert found["benchmark"] == "shapes"
    assert 0 <= next(iter(found["figures"].values())) <= 100
    assert found["counts"]["answered"] > 4
