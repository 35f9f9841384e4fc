"""Filling the generated parts into pages.

A page asks for one by a comment on a line of its own, such as `<!-- run: mix steps split -->`.
"""

import re
from collections.abc import Callable

from docs.generator.benchmark_pages import benchmark_sections, benchmark_table
from docs.generator.campaign import campaign
from docs.generator.commands import command_page
from docs.generator.errors import error_table
from docs.generator.forms import form_table, raw_schema_list
from docs.generator.memory import memory_table
from docs.generator.other_models import matrix, other_models_table
from docs.generator.recipes import own_recipe, recipe_text, source_parameters, step_reference, subset_table
from docs.generator.recordings import prepare, recorded, run
from docs.generator.source_pages import fingerprint_table, image_table, raw_file_list, source_table
from docs.generator.stages import stage_table
from docs.generator.tables import result
from docs.generator.towers import tower_table

_DIRECTIVE = re.compile(r"^<!-- (?P<name>[a-z_]+)(?:: (?P<text>.+?))? -->$", re.MULTILINE)

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
    "raw_files": lambda _: raw_file_list(),
    "images": lambda _: image_table(),
    "stages": stage_table,
    "result": result,
    "fingerprint": lambda _: fingerprint_table(),
    "campaign": campaign,
    "benchmark_table": lambda _: benchmark_table(),
    "benchmarks": lambda _: benchmark_sections(),
    "towers": lambda _: tower_table(),
}


def fill(markdown: str, *, where: str) -> str:
    """The page with every directive replaced by what it asks for.

    Raises:
        ValueError: for a directive that is not known.
    """

    def one(match: re.Match[str]) -> str:
        if match["name"] not in DIRECTIVES:
            raise ValueError(f"{where}: no directive {match['name']!r}; expected one of {', '.join(DIRECTIVES)}")
        return DIRECTIVES[match["name"]](match["text"] or "")

    return _DIRECTIVE.sub(one, markdown)


def asked_for(markdown: str) -> list[tuple[str, str]]:
    """The directives of a page with their texts, in order."""
    return [(match["name"], match["text"] or "") for match in _DIRECTIVE.finditer(markdown)]
