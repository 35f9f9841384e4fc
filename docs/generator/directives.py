"""Filling the generated parts into pages.

A page asks for one with a comment on a line of its own, such as `<!-- run: mix steps split -->`. What it asks for is
committed in the page, between that comment and `<!-- end -->`, so that a page reads the same in the repository, in an
editor and on the site. `make docs` renews all of them.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from docs.generator.benchmark_pages import benchmark_facts, benchmark_table
from docs.generator.campaign import campaign
from docs.generator.commands import command_page
from docs.generator.errors import error_table
from docs.generator.forms import form_table, raw_schema_list
from docs.generator.memory import memory_table
from docs.generator.other_models import matrix, other_models_table
from docs.generator.outputs import output_table
from docs.generator.recipes import own_recipe, recipe_text, source_parameters, step_reference, subset_table
from docs.generator.recordings import prepare, recorded, run
from docs.generator.source_pages import (
    fingerprint_table,
    image_table,
    raw_file_list,
    source_example,
    source_facts,
    source_parameters_of,
    source_table,
)
from docs.generator.stages import stage_table
from docs.generator.tables import result
from docs.generator.towers import tower_table

_DIRECTIVE = re.compile(r"<!-- (?P<name>[a-z_]+)(?:: (?P<text>.+?))? -->")
_END = "<!-- end -->"

DIRECTIVES: dict[str, Callable[[str], str]] = {
    "run": run,
    "prepare": prepare,
    "recorded": recorded,
    "commands": command_page,
    "errors": lambda _: error_table(),
    "form": form_table,
    "raw_schemas": lambda _: raw_schema_list(),
    "memory": lambda _: memory_table(),
    "matrix": lambda _: matrix(),
    "other_models": lambda _: other_models_table(),
    "recipe": recipe_text,
    "ablation": own_recipe,
    "source_parameters": lambda _: source_parameters(),
    "steps": lambda _: step_reference(),
    "subsets": lambda _: subset_table(),
    "source_table": lambda _: source_table(),
    "source_facts": source_facts,
    "source_example": source_example,
    "source_parameters_of": source_parameters_of,
    "raw_files": lambda _: raw_file_list(),
    "images": lambda _: image_table(),
    "outputs": lambda _: output_table(),
    "stages": stage_table,
    "result": result,
    "fingerprint": lambda _: fingerprint_table(),
    "campaign": campaign,
    "benchmark_table": lambda _: benchmark_table(),
    "benchmark_facts": benchmark_facts,
    "towers": lambda _: tower_table(),
}
SILENT = {"prepare"}
"""Directives that show nothing and need no `<!-- end -->`."""
RUNS = frozenset({"run", "prepare"})
"""Directives that run a command: `make docs` is the only one that does."""


class Part(NamedTuple):
    """A generated part of a page."""

    name: str
    text: str
    body: str
    """What the page holds now, without the blank lines around it; empty if it was never filled."""


def fill(markdown: str, *, where: str, keep: frozenset[str] = frozenset()) -> str:
    """The page with every generated part renewed, except those of the directives in `keep`.

    Raises:
        ValueError: for a directive that is not known.
    """
    pieces = []
    for piece in _pieces(markdown):
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        if piece.name not in DIRECTIVES:
            raise ValueError(f"{where}: no directive {piece.name!r}; expected one of {', '.join(DIRECTIVES)}")
        body = piece.body if piece.name in keep else DIRECTIVES[piece.name](piece.text).strip("\n")
        body = piece.body if without_times(body) == without_times(piece.body) else body
        assert not any(_DIRECTIVE.fullmatch(line) for line in body.splitlines()), (where, piece.name, piece.text)
        asked = f"{piece.name}: {piece.text}" if piece.text else piece.name
        end = "" if piece.name in SILENT else f"\n{body}\n\n{_END}\n"
        pieces.append(f"<!-- {asked} -->\n{end}")
    return "".join(pieces)


def without_times(output: str) -> str:
    """An output without the seconds and MB/s that `mix build` measures, and without the widths that these give columns.

    A renewed output that differs in nothing else is not news, so the page keeps the one it has.
    """
    return re.sub(r"[ ─]+", " ", re.sub(r" +\d+\.\d +\d+ *$", "", output, flags=re.MULTILINE))


def asked_for(markdown: str) -> list[tuple[str, str]]:
    """The directives of a page with their texts, in order."""
    return [(part.name, part.text) for part in parts(markdown)]


def parts(markdown: str) -> list[Part]:
    """The generated parts of a page, in order."""
    return [piece for piece in _pieces(markdown) if isinstance(piece, Part)]


def _pieces(markdown: str) -> Iterator[str | Part]:
    """The page's own lines and its generated parts, in order."""
    lines = markdown.splitlines(keepends=True)
    starts = list(_starts(lines))
    own = 0
    for start, following in zip(starts, [*starts[1:], len(lines)], strict=False):
        yield "".join(lines[own:start])
        match = _DIRECTIVE.fullmatch(lines[start].rstrip("\n"))
        assert match is not None, lines[start]
        own = start + 1
        ends = [i for i in range(own, following) if lines[i].strip() == _END]
        body = "".join(lines[own : ends[0]]).strip("\n") if ends else ""
        own = ends[0] + 1 if ends else own
        yield Part(match["name"], match["text"] or "", body)
    yield "".join(lines[own:])


def _starts(lines: list[str]) -> Iterator[int]:
    """Where a generated part starts: a comment in a code block asks for nothing, a page shows it."""
    fence = ""
    for i, line in enumerate(lines):
        if marks := re.match("`{3,}", line):
            fence = "" if marks[0] == fence else fence or marks[0]
        elif not fence and _DIRECTIVE.fullmatch(line.rstrip("\n")) and line.strip() != _END:
            yield i
