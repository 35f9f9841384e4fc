"""The recipe reference: sources and steps with their parameters, and the shipped recipes."""

import inspect
from pathlib import Path

import mix665k.builders  # noqa: F401, registers sources and steps
from docs.generator.tables import block, table
from mix665k.builders.bind import parameters
from mix665k.builders.registry import SOURCES, STEPS, Source, Step
from mix665k.mixtures.catalogue import kind_of
from mix665k.mixtures.storage.recipes import FOLDER
from mix665k.mixtures.storage.subsets import load_subset, subset_names

ABLATIONS = Path(__file__).parent.parent / "recipes" / "ablations"
"""Recipes that the page on ablations builds."""


def recipe_text(name: str) -> str:
    """A shipped recipe, verbatim."""
    path = FOLDER / f"{name}.yaml"
    return block("yaml", path.read_text(encoding="utf-8"), title=f"mixtures/recipes/{path.name}")


def subset_table() -> str:
    """The published subsets that `mix fetch` knows, and what is known of each."""
    rows = []
    for name in subset_names():
        one = load_subset(name)
        records = f"{one.records:,}" if one.records else "?"
        place = f"[{one.hub}, {one.revision}]({one.download.place})" if one.hub else f"[Google Drive]({one.by_hand})"
        rows.append([f"`{name}`", one.title, records, place, one.names, one.licence, one.checked])
    return table(["name", "what", "records", "where", "names records by", "licence", "checked"], rows)


def own_recipe(name: str) -> str:
    """A recipe of the page on ablations, verbatim; the page builds it."""
    path = ABLATIONS / f"{name}.yaml"
    return block("yaml", path.read_text(encoding="utf-8"), title=path.name)


def step_reference() -> str:
    """A section for each step."""
    return "\n\n".join(_section(STEPS[name]) for name in sorted(STEPS))


def source_parameters() -> str:
    """A section for each source, with a link to its page."""
    return "\n\n".join(
        f"### [{name}](../sources/{name}.md)\n\n{parameter_table(SOURCES[name])}" for name in sorted(SOURCES)
    )


def parameter_table(one: Source | Step) -> str:
    """The parameters of a source or step."""
    rows = []
    for name, parameter in parameters(one.function).items():
        kind, _, default = kind_of(parameter).partition(" (")
        rows.append([f"`{name}`", kind, default.rstrip(")").removeprefix("default: ")])
    return table(["parameter", "value", "default"], rows) if rows else "No parameters."


def docstring(one: Source | Step) -> str:
    """What the function says of itself."""
    return inspect.cleandoc(one.function.__doc__ or "")


def _section(step: Step) -> str:
    return f"### {step.name}\n\n{docstring(step)}\n\n{parameter_table(step)}"
