"""Documentation, help and errors are free of the words that CONTRIBUTING says to avoid."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generator.commands import APPS, commands
from docs.generator.pages import all_pages

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| avoid | write |")[2].partition("\n\n")[0]
AVOID = [word for cell in re.findall(r"^ *\| ([a-z, ]+) \|", TABLE, re.MULTILINE) for word in cell.split(", ")]
FOUND = re.compile(rf"\b({'|'.join(AVOID)})\b", re.IGNORECASE)
CODE = [path for name in ("schemas", "builders", "mixtures", "trainer") for path in sorted((ROOT / name).rglob("*.py"))]
NOT_OURS = {"builders/synthetic", "trainer/evaluation/contractions.py"}
"""Made-up texts, and the words of a benchmark's official rule."""


def prose(markdown: str) -> str:
    """A page without code blocks, code and comments."""
    return re.sub(r"^(`{3,}).*?^\1$|<!--.*?-->|`[^`\n]*`", "", markdown, flags=re.MULTILINE | re.DOTALL)


def messages(path: Path) -> Iterator[str]:
    """The texts of a module that a user may read: what has several words and is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in silent else None
        if isinstance(text, str) and " " in text:
            yield text


def test_the_list_is_read() -> None:
    assert {"told", "stands", "data set", "goes on"} <= set(AVOID)
    assert FOUND.search("Nothing is Told.")
    assert not FOUND.search("an old standard")


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_avoids_them(path: Path) -> None:
    lines = prose(path.read_text(encoding="utf-8")).splitlines()
    assert not [line for line in lines if FOUND.search(line)]


def test_messages_avoid_them() -> None:
    checked = [path for path in CODE if not any(str(path.relative_to(ROOT)).startswith(one) for one in NOT_OURS)]
    found = [(str(path.relative_to(ROOT)), text) for path in checked for text in messages(path) if FOUND.search(text)]
    assert not found


def test_help_avoids_them() -> None:
    texts = [text for app in APPS for one in commands(app) for text in (one.text, *(p.help for p in one.parameters))]
    assert len(texts) > 200
    assert not [text for text in texts if FOUND.search(text)]
