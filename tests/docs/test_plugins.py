"""A reader who does what the page on plugins says gets what the page says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mix665k.builders.plugins import use_plugins
from tests.mixtures.small import run

PAGE = Path(__file__).parents[2] / "docs" / "recipes" / "plugins.md"
_BLOCK = re.compile(
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[re.Match[str]]]:
    """Those of the page, its files written into the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "88")
    found = list(_BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    for block in found:
        if block["title"]:
            Path(block["title"]).parent.mkdir(parents=True, exist_ok=True)
            Path(block["title"]).write_text(block["text"], encoding="utf-8")
    yield found
    use_plugins([])


def test_a_source_and_a_step_of_ones_own_work_as_the_page_says(blocks: list[re.Match[str]]) -> None:
    commands = [block["text"].splitlines() for block in blocks if block["language"] == "console"]
    assert [command.split()[2] for command, *_ in commands] == ["steps", "build", "trace", "verify"]
    for command, *expected in commands:
        shown = run(*command.partition(" | ")[0].split()[2:])
        assert shown.exit_code == 0, shown.output
        lines = iter(line.rstrip() for line in shown.stdout.splitlines())
        for line in expected:
            assert line in lines, (command, line)


def test_what_the_page_shows_as_an_error_is_that_error(blocks: list[re.Match[str]]) -> None:
    [error] = [block["text"] for block in blocks if block["text"].startswith("error: ")] or [""]
    plugin = Path("my_sources.py")
    plugin.write_text(plugin.read_text().replace("if not question.answers:", "if False:"))
    shown = run("build", "museum.yaml", "--raw", "raw", "--out", "museum")
    assert (shown.exit_code, shown.stderr) == (1, error)
