"""What `mix steps` tells: sources and steps with their parameters."""

import inspect

from rich.console import Console

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.bind import SHARED, Steps, describe, parameters
from mix665k.builders.registry import SOURCES, STEPS, Source, Step
from mix665k.schemas.errors import RecipeError, did_you_mean


def describe_functions(console: Console, name: str | None) -> None:
    """Print every source and step, or the one of this name.

    Raises:
        RecipeError: when there is none of this name.
    """
    known: dict[str, Source | Step] = {**SOURCES, **STEPS}
    if name is not None and name not in known:
        raise RecipeError(f"{name}: no such source or step{did_you_mean(name, known)}")
    for title, group in (("sources", SOURCES), ("steps", STEPS)):
        chosen = [group[key] for key in sorted(group) if name in (None, key)]
        if chosen:
            console.print(f"[bold]{title}[/bold]\n")
        for one in chosen:
            _describe(console, one)


def _describe(console: Console, one: Source | Step) -> None:
    console.print(f"[bold cyan]{one.name}[/bold cyan]", highlight=False)
    for line in inspect.cleandoc(one.function.__doc__ or "").splitlines():
        console.print(f"  {line}".rstrip(), markup=False, highlight=False, soft_wrap=True)
    for key, parameter in parameters(one.function).items():
        console.print(f"    {key}: {kind_of(parameter)}", markup=False, highlight=False, soft_wrap=True)
    console.print()


def kind_of(parameter: inspect.Parameter) -> str:
    """A parameter's type and default in a YAML author's words."""
    kind = describe(parameter.annotation)
    if parameter.annotation is Steps:
        return f"{kind} (default: none)"
    shared = parameter.name in SHARED
    if parameter.default is inspect.Parameter.empty:
        return f"{kind} (default: the recipe's)" if shared else f"{kind} (required)"
    if parameter.default is None:
        return f"{kind} (default: the recipe's, or none)" if shared else f"{kind} (default: none)"
    default = parameter.default
    return f"{kind} (default: {str(default).lower() if isinstance(default, bool) else repr(default)})"
