"""`--set`: one value of a recipe, by its path: `sources.vqav2.params.capitalize=true`."""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.bind import Steps, describe, parameters
from mix665k.builders.registry import SOURCES, STEPS
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.files import fault
from mix665k.schemas.handwritten import parse_yaml
from mix665k.schemas.recipe import Balance, Block, Budget, Deduplicate, Expect, HoldOut, Match, Recipe, Select

_FORM = "NAME=VALUE, such as seed=7 or sources.vg.steps.sample.count=1000"
_POWER = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_GROUPS: dict[str, Any] = {
    "select": Select,
    "hold_out": HoldOut,
    "balance": Balance,
    "budget": Budget,
    "match": Match,
    "deduplicate": Deduplicate,
    "expect": Expect,
}
"""Fields that have fields of their own."""


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with these values set, in order; each is checked against its type.

    Raises:
        RecipeError: for a path that leads nowhere, with the nearest name that would, and for a value of another type.
    """
    for one in settings:
        path, equals, text = one.partition("=")
        parts = [part.strip() for part in path.split(".")]
        where = f"--set {one}"
        if not equals or not all(parts):
            raise RecipeError(f"{where}: expected {_FORM}")
        content = msgspec.to_builtins(recipe)
        _Setting(where, _value(text, where=where)).in_recipe(content, parts)
        try:
            recipe = msgspec.convert(content, Recipe)
        except msgspec.ValidationError as error:
            raise RecipeError(f"{where}: {fault(error)[1]}") from None
    return recipe


def _value(text: str, *, where: str) -> Any:
    """The value in a YAML text. YAML reads `1e-3` as text; a person means a number."""
    value = parse_yaml(text, kind=RecipeError, where=where, expected=_FORM)
    if value == text and _POWER.fullmatch(text):
        return int(float(text)) if float(text).is_integer() else float(text)
    return value


class _Setting(NamedTuple):
    """A value on its way to its place; each function goes down one level of a recipe."""

    where: str
    value: Any

    def in_recipe(self, content: dict[str, Any], parts: Sequence[str]) -> None:
        name, rest = self._named(parts, "field", msgspec.structs.fields(Recipe))
        if name == "plugins":
            raise RecipeError(f"{self.where}: a plugin's file is passed by --plugin")
        if name == "sources":
            if not rest:
                raise RecipeError(f"{self.where}: expected {_FORM}")
            blocks = {block.get("name", block["source"]): block for block in content["sources"]}
            label, rest = self._named(rest, "source", blocks)
            self.in_block(blocks[label], rest)
        elif name == "for_all" and rest:
            self.in_steps(content.get(name, []), rest)
        else:
            self.in_field(content, name, rest)

    def in_block(self, block: dict[str, Any], parts: Sequence[str]) -> None:
        name, rest = self._named(parts, "field", msgspec.structs.fields(Block))
        if name == "params" and rest and block["source"] in SOURCES:
            self.in_params(block.setdefault("params", {}), rest, SOURCES[block["source"]].function)
        elif name == "steps" and rest:
            self.in_steps(block.get("steps", []), rest)
        elif name in ("files", "params") and rest:
            block.setdefault(name, {})[".".join(rest)] = self.value
        else:
            self.in_field(block, name, rest)

    def in_field(self, content: dict[str, Any], name: str, rest: Sequence[str]) -> None:
        """A field without a form of its own, or one of those inside it."""
        if not rest:
            content[name] = self.value
            return
        if name not in _GROUPS:
            raise RecipeError(f"{self.where}: {name} has no {rest[0]!r} in it, expected {_FORM}")
        inner, deeper = self._named(rest, "field", msgspec.structs.fields(_GROUPS[name]))
        self.in_field(content.setdefault(name, {}), inner, deeper)

    def in_steps(self, steps: list[Any], parts: Sequence[str]) -> None:
        """A parameter of the one step of this name."""
        names = [one if isinstance(one, str) else next(iter(one)) for one in steps]
        name, rest = self._named(parts, "step", names)
        if names.count(name) > 1 or not rest or name not in STEPS:
            found = f"{names.count(name)} steps {name}" if rest else f"no parameter of {name}"
            raise RecipeError(f"{self.where}: {found}, expected one; set all `steps`, as a list")
        index, step = names.index(name), STEPS[name]
        given = {} if isinstance(steps[index], str) else steps[index][name]
        given = {step.short: given} if isinstance(given, str) else dict(given)
        steps[index] = {name: given}
        self.in_params(given, rest, step.function)

    def in_params(self, given: dict[str, Any], parts: Sequence[str], function: Any) -> None:
        """A parameter of a source or step, or of a step inside it."""
        known = parameters(function)
        name, rest = self._named(parts, "parameter", known)
        kind = known[name].annotation
        if kind is Steps and rest:
            self.in_steps(given.get(name, []), rest)
            return
        if rest:
            raise RecipeError(f"{self.where}: {name} has no {rest[0]!r} in it, expected {describe(kind)}")
        if kind is not Steps:
            try:
                msgspec.convert(self.value, kind)
            except msgspec.ValidationError:
                raise RecipeError(f"{self.where}: got {self.value!r}, expected {describe(kind)}") from None
        given[name] = self.value

    def _named(self, parts: Sequence[str], what: str, known: Any) -> tuple[str, Sequence[str]]:
        """The first part of a path, which must be one of these names, and the others."""
        names: Collection[str] = [getattr(one, "encode_name", one) for one in known]
        if not parts:
            raise RecipeError(f"{self.where}: expected {_FORM}")
        if parts[0] not in names:
            raise RecipeError(f"{self.where}: no {what} {parts[0]!r}{did_you_mean(parts[0], names)}")
        return parts[0], parts[1:]
