"""What pages quote of the code and of commands is what these say now."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.generator.directives import RUNS, SILENT, fill, parts, without_times
from docs.generator.pages import all_pages
from docs.generator.recordings import typed

ROOT = Path(__file__).parents[2]
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in all_pages()}
ONLY_MAKE_DOCS = frozenset({*RUNS, "memory", "other_models"})
"""Takes too long for a test; `make docs-check` renews these too, and CI runs it."""
PARTS = [(page, part) for page, markdown in PAGES.items() for part in parts(markdown)]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_quotes_of_the_code_is_current(page: str) -> None:
    """If not: `make docs`, or `python -m docs.generator.pages PAGE` for this page."""
    assert fill(PAGES[page], where=page, keep=ONLY_MAKE_DOCS) == PAGES[page]


def test_every_part_that_shows_something_is_filled_in() -> None:
    assert len(PARTS) > 100
    assert not [(page, part.name, part.text) for page, part in PARTS if (part.name in SILENT) == bool(part.body)]


def test_an_output_is_of_the_command_above_it() -> None:
    for page, part in PARTS:
        if part.name == "run":
            command = re.sub(r"^\[exit \d+\] ", "", part.text)
            assert part.body.startswith(f"```console\n{typed(command)}\n"), (page, part.text)
            assert len(part.body.splitlines()) > typed(command).count("\n") + 3, (page, part.text)


def test_filling_replaces_what_was_there_and_keeps_the_rest() -> None:
    page = "# Title\n\n<!-- prepare: true -->\n<!-- errors -->\n\nold\n\n<!-- end -->\n\nText\n<!-- errors -->\n"
    filled = fill(page, where="x.md", keep=frozenset({"prepare"}))
    assert filled.startswith("# Title\n\n<!-- prepare: true -->\n<!-- errors -->\n\n| kind |")
    assert filled.count("<!-- end -->") == 2
    assert "old" not in filled
    assert fill(filled, where="x.md", keep=frozenset({"prepare"})) == filled


def test_an_output_that_differs_in_measured_times_alone_is_kept_any_other_is_not() -> None:
    old = "  gqa   72     943      0.3      1\n  all   72     943\n"
    assert without_times(old) == without_times("  gqa   72      943      10.3      2\n  all   72      943\n")
    assert without_times(old) != without_times(old.replace("72", "73"))


def test_a_comment_in_a_code_block_asks_for_nothing() -> None:
    page = "````markdown\n```sh\nmake\n```\n<!-- errors -->\n````\n<!-- prepare: true -->\n"
    assert [part.name for part in parts(page)] == ["prepare"]


def _anchors(markdown: str) -> set[str]:
    """The anchors of a page's headings, as the site and code hosts make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+?)\s*$", re.sub(r"^(```+).*?^\1", "", markdown, flags=re.M | re.S), re.M):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    text = re.sub(r"^(```+).*?^\1|`[^`\n]*`", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), target
        if anchor:
            assert unquote(anchor) in _anchors(there.read_text(encoding="utf-8")), target
