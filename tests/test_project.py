"""The project keeps its own rules."""

import ast
import builtins
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.registry import SOURCES

ROOT = Path(__file__).parent.parent
CODE = sorted(
    path for folder in ("schemas", "builders", "mixtures", "trainer") for path in (ROOT / folder).rglob("*.py")
)
MIXTURES = sorted((ROOT / "mixtures").rglob("*.py"))
FOLDERS = {folder for source in SOURCES.values() if (folder := source.about.image_folder)}
BANNED = ("utils", "helpers", "common", "base", "manager")


def test_imports_go_one_way() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    shown = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [path for path in CODE if path.stem in BANNED]


@pytest.mark.parametrize("path", MIXTURES, ids=lambda path: str(path.relative_to(ROOT)))
def test_mixtures_know_no_source_by_name(path: Path) -> None:
    """What fetch, contamination, diff and the others need to know, the source declares (`About`)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        assert not [name for name in names if name.startswith("mix665k.builders.sources.")]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in texts if text.partition("/")[0] in FOLDERS | SOURCES.keys()]


def test_every_source_states_its_licence_and_where_its_files_are() -> None:
    for source in SOURCES.values():
        assert all(
            [source.about.title, source.about.licence.name, source.about.image_licence.name, source.about.counts]
        )
        assert all(file.download and file.download.place for file in source.about.files)


def test_every_line_goes_through_the_console_that_shows_texts_as_they_are() -> None:
    """`schemas/terminal.py` is the one place that opens consoles and prints."""
    direct = re.compile(r"(?<![\w.])(Console|TextColumn|print)\(|typer\.echo\(|rich\.(markup|print)|from_markup")
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in CODE
        if path.relative_to(ROOT).parts[0] in ("mixtures", "trainer")
        for line in path.read_text().splitlines()
        if line.startswith(" ") and direct.search(line)  # those of templates for cards are not indented
    }
    assert not found


def test_the_makefile_has_what_the_readme_promises() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "lint", "docs", "bench"):
        assert f"\n{target}: " in makefile


def test_torch_is_pinned_in_the_constraints() -> None:
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().splitlines()


def test_no_call_passes_more_than_three_positional_arguments() -> None:
    # ruff's PLR0917 looks at definitions only; NamedTuples and structs have none that it sees. What takes any number of
    # values (a table's cells, a frame's columns, what is printed) is read as a list.
    any_number = {"add_row", "select", "sort", "group_by", "narrow_table", "with_columns", "agg", *dir(builtins)}
    long = []
    for path in [*CODE, ROOT / "apps.py", ROOT / "cli.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and sum(not isinstance(one, ast.Starred) for one in node.args) > 3:
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called not in any_number:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {called}")
    assert not long
