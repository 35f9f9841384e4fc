"""Python environments that hold other releases than ours, for tests of what others do with our files."""

import subprocess
import sys
import tempfile
import venv
from functools import lru_cache
from pathlib import Path

import pytest

SITE = "lib/python{}.{}/site-packages".format(*sys.version_info)
PATIENCE_S = 300


@lru_cache
def environment(*packages: str) -> Path:
    """The Python of an environment with exactly these packages, and all else from this one.

    They are installed without what they depend on, in seconds: torch is not.
    """
    folder = Path(tempfile.mkdtemp(prefix="environment-"))
    venv.create(folder, with_pip=False)
    ours = Path(pytest.__file__).parents[1]
    (folder / SITE / "ours.pth").write_text(f"{ours}\n")
    python = folder / "bin/python"
    line = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--ignore-installed", *packages]
    try:
        done = subprocess.run([sys.executable, *line], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{' '.join(packages)} cannot be installed within {PATIENCE_S} s")
    if done.returncode:
        pytest.skip(f"{' '.join(packages)} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def run_there(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script in an environment, without the Hub; it must succeed."""
    done = subprocess.run(
        [str(python), "-P", *map(str, arguments)],  # not the script's folder: it holds a `tokenizers.py`
        env={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": tempfile.gettempdir()},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done
