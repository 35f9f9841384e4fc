"""Real outputs of the commands, run on made-up data by `make docs`.

Each output on a page is made by its command: one that was typed in would go stale without anybody noticing. A command
that ends with another exit code stops `make docs`. The commands of all pages share one folder with the demo's raw files
and its mixture. Training takes too long for that: `python -m docs.generator.record` runs it and keeps its outputs in
`docs/recorded/`.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from docs.generator.tables import block

PROJECT = Path(__file__).parents[2]
RECORDED = PROJECT / "docs" / "recorded"
COLUMNS = 88
MADE_UP = (
    "mix synth --out raw --scale 0.001 --draw-images",
    "mix build tiny --raw raw --out mixture --images raw/images",
    "mix export mixture --format llava --out published.json",
)
"""What lies in the folder before any page's commands are run: as in `make demo`, and a file in LLaVA's own form."""
_EXIT = re.compile(r"^\[exit (\d+)\] ")


def run(text: str) -> str:
    """A command and what it prints; `[exit 1] ` in front says that it ends so, and its error is shown."""
    command, _ = _parts(text)
    return block("console", f"{typed(command)}\n{output_of(text)}")


def prepare(text: str) -> str:
    """Run a command that goes before the next one, and show nothing; `PROJECT` is where this project lies."""
    output_of(text)
    return ""


def recorded(name: str) -> str:
    """A command and what it printed when it was last recorded."""
    return block("console", (RECORDED / f"{name}.txt").read_text(encoding="utf-8"))


def run_ahead(pages: Iterable[Sequence[str]]) -> None:
    """Run the commands of all pages, several pages at a time; those of one page in their order."""
    _made_up()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda texts: [output_of(text) for text in texts], pages))


@cache
def output_of(text: str) -> str:
    """What a command prints: its result, or its error where it is to end with one."""
    command, expected = _parts(text)
    done = _made_up().get(command) or execute(command, folder(), expected=expected)
    shown = trimmed(done.stdout + (done.stderr if expected else ""))
    return "\n".join(part for line in shown.splitlines() for part in _folded(line))


def execute(
    command: str, where: Path, *, expected: int = 0, columns: int = COLUMNS, colour: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Run a command line in a folder, as a user with this environment would.

    Raises:
        RuntimeError: when it does not end with the expected code.
    """
    programs = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "GITHUB_", "FORCE_"))},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(columns),
        "HF_HOME": str(where / ".hub"),
        "HF_HUB_OFFLINE": "1",
        **({"FORCE_COLOR": "1"} if colour else {"NO_COLOR": "1", "TERM": "dumb"}),
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != expected:
        raise RuntimeError(f"{command}: exit {done.returncode}, expected {expected}\n{done.stdout}{done.stderr}")
    return done


def typed(command: str) -> str:
    """A command behind a prompt, in lines that fit."""
    lines = ["$"]
    for word in re.findall(r"-[^ ]+ (?:'[^']*'|\"[^\"]*\"|[^- '\"][^ ]*)|'[^']*'|\"[^\"]*\"|[^ ]+", command):
        if len(lines[-1]) + len(word) + 3 > COLUMNS:
            lines.append("   ")
        lines[-1] += f" {word}"
    return " \\\n".join(lines)


def trimmed(text: str) -> str:
    """The lines without the spaces that tables end in, and without empty ones at both ends."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def folder() -> Path:
    """Where the commands run, with the made-up data in it; it goes when the process ends."""
    _made_up()
    return _workspace()


@cache
def _workspace() -> Path:
    where = Path(tempfile.mkdtemp(prefix="mix665k-docs-"))
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    return where


@cache
def _made_up() -> dict[str, "subprocess.CompletedProcess[str]"]:
    """What the commands printed that made what lies in the folder."""
    return {command: execute(command, _workspace()) for command in MADE_UP}


def _folded(line: str) -> list[str]:
    """A line as a terminal would show it, broken between words."""
    return textwrap.wrap(line, COLUMNS, break_on_hyphens=False) if len(line) > COLUMNS else [line]


def _parts(text: str) -> tuple[str, int]:
    """The command and the code that it is to end with."""
    found = _EXIT.match(text)
    command = text[found.end() :] if found else text
    return command.replace("PROJECT", str(PROJECT)), int(found[1]) if found else 0
