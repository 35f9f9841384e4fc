"""Binding the names and parameters of a recipe to sources and steps, before a raw byte is read.

The keyword-only arguments of a function are the schema of its YAML parameters. `seed`, `tokenizer` and `draws_from` may
be left out where the recipe gives them for all.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.parts import Parts, parts_of, published_parts
from mix665k.builders.plugin_errors import of_step, plugin_errors
from mix665k.builders.registry import SOURCES, STEPS, Source, Step, plugin_of
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.recipe import Block, Recipe
from mix665k.schemas.recipe import Step as StepEntry

SHARED = ("seed", "tokenizer", "draws_from")
FILES = ("draws_from", "listed_in", "scores")
"""Parameters of steps that name a file below the raw folder; it is hashed like a raw file."""


class Steps:
    """Steps that run inside another step, as often as it likes; their changes count as its own.

    In YAML the parameter is a list of steps.
    """

    def __init__(self, steps: list["BoundStep"], outer: StepFunnel) -> None:
        self._steps = steps
        self._outer = outer

    def __call__(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        stream = iter(conversations)
        for bound in self._steps:
            stream = bound.run(stream, self._outer.inner(bound.step.name))
        return stream


class BoundStep(NamedTuple):
    """A step with all its parameters; `inner` are the bound steps of its `Steps` parameters."""

    step: Step
    params: dict[str, Any]
    inner: dict[str, list["BoundStep"]]

    def run(self, conversations: Iterable[Conversation], funnel: StepFunnel) -> Iterator[Conversation]:
        """The conversations through this step, its changes counted."""
        inner = {name: Steps(steps, funnel) for name, steps in self.inner.items()}
        if (plugin := plugin_of(self.step)) is None:
            return self.step.function(conversations, funnel, **self.params, **inner)
        given = _Given(conversations)
        with plugin_errors(f"step {self.step.name}"):
            found = self.step.function(given, funnel, **self.params, **inner)
        return of_step(found, plugin, name=self.step.name, last=lambda: given.last)


class _Given:
    """The conversations that a plugin's step is given, with the id of the last one."""

    def __init__(self, conversations: Iterable[Conversation]) -> None:
        self.last = ""
        self._conversations = iter(conversations)

    def __iter__(self) -> Iterator[Conversation]:
        return self

    def __next__(self) -> Conversation:
        conversation = next(self._conversations)
        self.last = conversation.id
        return conversation


class BoundSource(NamedTuple):
    """A source with its files and all its parameters, and the steps behind it."""

    block: Block
    source: Source
    files: dict[str, Parts]
    params: dict[str, Any]
    steps: list[BoundStep]


def bind(recipe: Recipe, *, raw: Path, places: Mapping[str, str] = MappingProxyType({})) -> list[BoundSource]:
    """The sources of a recipe, resolved; nothing is read.

    `places` says where a source, by its label, or a step, as `for_all[0]`, was written, if not in the recipe's file.

    Raises:
        RecipeError: for a name, parameter or type that does not fit, with the nearest that would.
    """
    labels = [block.label for block in recipe.sources]
    for label in labels:
        if labels.count(label) > 1:
            raise RecipeError(f"recipe {recipe.name}: two sources are called {label!r}; give one a `name`")
    recipes_own = f"recipe {recipe.name}"
    found = []
    for block in recipe.sources:
        context = _Context(recipe, raw, f"{places.get(block.label, recipes_own)}: {block.label}")
        bound = _bind_source(context, block)
        for i, entry in enumerate(recipe.for_all):
            where = f"{places.get(f'for_all[{i}]', recipes_own)}: for_all: {block.label}"
            bound.steps.append(_bind_step(context._replace(where=where), entry))
        found.append(bound)
    return found


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a source or step, with their annotations resolved."""
    hints = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


class _Context(NamedTuple):
    recipe: Recipe
    raw: Path
    where: str

    def inside(self, name: str) -> "_Context":
        return self._replace(where=f"{self.where}: {name}")

    def shared(self, name: str) -> Any:
        return getattr(self.recipe, name) if name in SHARED else None


def _bind_source(context: _Context, block: Block) -> BoundSource:
    if block.source not in SOURCES:
        raise RecipeError(f"{context.where}: no source {block.source!r}{did_you_mean(block.source, SOURCES)}")
    source = SOURCES[block.source]
    params, _ = _bind_params(context, source.function, block.params)
    files = _bind_files(context, source, block)
    steps = [_bind_step(context, entry) for entry in block.steps]
    return BoundSource(block=block, source=source, files=files, params=params, steps=steps)


def _bind_files(context: _Context, source: Source, block: Block) -> dict[str, Parts]:
    roles = {file.role for file in source.about.files}
    for role in block.files:
        if role not in roles:
            raise RecipeError(f"{context.where}: files: no file {role!r}{did_you_mean(role, roles)}")
    wanted = block.files or roles
    groups = {role.split("/")[0] for role in wanted}
    for file in source.about.files:
        if file.role not in wanted and (not file.optional or file.role.split("/")[0] in groups):
            raise RecipeError(
                f"{context.where}: files: {file.role!r} is not given, expected a path below the raw folder"
            )
    if block.files:
        return {role: parts_of(context.raw, named) for role, named in block.files.items()}
    return {file.role: published_parts(context.raw, file.path) for file in source.about.files}


def _bind_step(context: _Context, entry: StepEntry) -> BoundStep:
    if isinstance(entry, dict) and len(entry) != 1:
        raise RecipeError(f"{context.where}: steps: {list(entry)} in one entry, expected one step after each dash")
    name, given = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    if name not in STEPS:
        raise RecipeError(f"{context.where}: no step {name!r}{did_you_mean(name, STEPS)}")
    context = context.inside(name)
    if isinstance(given, str):
        if (short := STEPS[name].short) is None:
            raise RecipeError(f"{context.where}: got {given!r}, expected {{parameter: value}}; see `mix steps {name}`")
        given = {short: given}
    params, nested = _bind_params(context, STEPS[name].function, given)
    inner = {key: [_bind_step(context.inside(key), e) for e in entries] for key, entries in nested.items()}
    bound = BoundStep(STEPS[name], params, inner)
    try:
        list(bound.run(iter(()), StepFunnel(name)))
    except RecipeError as error:
        raise RecipeError(f"{context.where}: {error}") from None
    return bound


def _bind_params(
    context: _Context, function: Callable[..., Any], given: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, list[StepEntry]]]:
    """The values of a function's parameters, and apart from them those that are lists of steps."""
    wanted = parameters(function)
    for name in given:
        if name not in wanted:
            raise RecipeError(f"{context.where}: no parameter {name!r}{did_you_mean(name, wanted)}")
    values: dict[str, Any] = {}
    nested: dict[str, list[StepEntry]] = {}
    for name, parameter in wanted.items():
        if parameter.annotation is Steps:
            nested[name] = _convert(context, name, value=given.get(name, []), kind=list[StepEntry])
        else:
            values[name] = _bind_value(context, name, value=given.get(name, context.shared(name)), parameter=parameter)
    return values, nested


def _bind_value(context: _Context, name: str, *, value: Any, parameter: inspect.Parameter) -> Any:
    if value is None:
        if parameter.default is inspect.Parameter.empty:
            hint = "; set it here or for the whole recipe" if name in SHARED else ""
            raise RecipeError(f"{context.where}: parameter {name!r} is not given{hint}")
        return parameter.default
    value = _convert(context, name, value=value, kind=parameter.annotation)
    if name in FILES:
        value = str(context.raw / value)
        if not Path(value).is_file():
            raise RecipeError(f"{context.where}: {name}: {value}: no such file")
    return value


def _convert(context: _Context, name: str, *, value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise RecipeError(f"{context.where}: {name}: got {value!r}, expected {describe(kind)}") from None


def describe(kind: Any) -> str:
    """A parameter's type in words a YAML author knows."""
    if kind is Steps:
        return "list of steps"
    schema = msgspec.json.schema(kind)
    options = schema.get("anyOf", [schema])
    return " or ".join(_word(option) for option in options)


def _word(schema: dict[str, Any]) -> str:
    if "pattern" in schema:  # what a regular expression asks for, in words
        return str(schema["description"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_word(schema.get('items', {}))}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true | false"}
    bounds = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([words.get(schema.get("type", ""), schema.get("type", "anything")), *bounds])


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
