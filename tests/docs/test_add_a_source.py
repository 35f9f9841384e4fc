"""A reader who does literally what the page says gets what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from docs.generator.recordings import COLUMNS, trimmed

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "recipes" / "add-a-source.md"
FOLDERS = ("benchmarks", "builders", "schemas", "mixtures", "trainer", "docs", "tests")
_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A code block: a file under its name, commands (`sh`), or commands with what they print (`console`)."""

    language: str
    title: str | None
    text: str


def blocks() -> list[Block]:
    """Those of the page, in order."""
    found = _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    return [Block(match["language"], match["title"], match["text"]) for match in found]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project to work in, importable as `mix665k` through a link beside it."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "work"))
    for path in [*ROOT.glob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.yml")]:
        shutil.copy(path, tmp_path)
    shutil.copy(ROOT / "py.typed", tmp_path)
    (tmp_path / ".mypy").mkdir()
    (tmp_path / ".mypy" / "mix665k").symlink_to("..")
    return tmp_path


def run(command: str, where: Path) -> str:
    """What a command line prints in the copy, whose modules come before those of this checkout."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{where / '.mypy'}{os.pathsep}{where}",
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return trimmed(done.stdout)


def test_the_page_has_files_commands_and_outputs() -> None:
    kinds = [(block.language, block.title is not None) for block in blocks()]
    assert kinds.count(("python", True)) == 1
    assert kinds.count(("yaml", True)) == 1
    assert {language for language, named in kinds if not named} == {"sh", "console"}


@pytest.mark.slow
def test_a_source_is_added_as_the_page_says(checkout: Path) -> None:
    for block in blocks():
        if block.title is not None:
            path = checkout / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for command in block.text.splitlines():
                run(command, checkout)
        else:
            command, _, expected = block.text.partition("\n")
            assert run(command.removeprefix("$ "), checkout) == trimmed(expected), command
