"""RESULTS.md: every benchmark writes its own section and leaves the others as they are."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
SECTIONS = (
    "Building the mixture",
    "A source of millions of records",
    "Comparing with a published file",
    "Selecting a subset",
    "Checking images",
    "Pictures in shards",
    "What an epoch's order costs",
    "The paper's 25 %",
    "Training on a CPU",
    "Sharing pictures on a CPU",
    "Parts of a training step",
    "Training at two commits",
    "Training on a GPU",
    "Asking a benchmark's questions",
)
_HEAD = """# Results

What was measured, on what, and how to repeat it; `make bench` runs all. A rival is measured in the same run as what it
is compared with, and ratios are what carries over to another machine.
"""


def write_section(title: str, lines: Sequence[str], *, libraries: Sequence[str], command: str) -> None:
    """Put a section into RESULTS.md: the machine, the versions and the command, then these lines."""
    body = "\n".join([machine(libraries), f"Repeat with `{command}`.", "", *lines]).strip()
    print(body, file=sys.stderr)
    sections = read_sections(RESULTS) | {title: body}
    ordered = [f"## {name}\n\n{sections[name]}\n" for name in SECTIONS if name in sections]
    RESULTS.write_text("\n".join([_HEAD, *ordered]), encoding="utf-8")


def read_sections(path: Path) -> dict[str, str]:
    """The text of each section by its title."""
    parts = path.read_text(encoding="utf-8").split("\n## ")[1:]
    return {title: body.strip() for title, _, body in (part.partition("\n") for part in parts)}


def machine(libraries: Sequence[str]) -> str:
    """What a figure was measured on."""
    known = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {known}."
