"""Recipes that extend another one, resolved to what they come to.

An extending recipe says what differs, by the labels of sources. What it comes to holds everything, so that a manifest
needs no other file.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import yaml
from msgspec import UNSET

from mix665k.mixtures.storage.recipes import FOLDER, load_recipe, read_recipe, shipped
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.files import sha256_of
from mix665k.schemas.handwritten import convert_yaml, parse_yaml, place_of
from mix665k.schemas.manifest import Extended
from mix665k.schemas.recipe import Block, Expect, Extension, Recipe, SourceChange

FOR_ALL = "for_all"
_MAX_CHAIN = 20
_SPECIAL = {"extends", "sources", "remove", "order", FOR_ALL, "plugins"}
"""Fields of an extension that are more than another value of the recipe's field."""


class Resolved(NamedTuple):
    """A recipe, where it is from, and the plugin files beside it and what it extends.

    `text` is the file's own where it extends nothing, else the recipe written out. `base` is the recipe that it
    extends; `places` says in which file, line and column an extension changed a source, by label, or added a step for
    all, as `for_all[0]`.
    """

    recipe: Recipe
    text: str
    extends: tuple[Extended, ...] = ()
    base: Recipe | None = None
    places: Mapping[str, str] = MappingProxyType({})
    plugins: tuple[Path, ...] = ()


def resolve(path: Path) -> Resolved:
    """The recipe in a file, with what it extends.

    Raises:
        RecipeError: for a file that cannot be read or is no recipe, with file, line and column; for one that extends
            itself.
    """
    return _resolve(path, chain=())


def written_out(recipe: Recipe) -> str:
    """A recipe as YAML."""
    return yaml.safe_dump(msgspec.to_builtins(recipe), sort_keys=False, allow_unicode=True)


def _resolve(path: Path, *, chain: tuple[Path, ...]) -> Resolved:
    text, where = read_recipe(path), str(path)
    content = parse_yaml(text, kind=RecipeError, where=where)
    if not (isinstance(content, dict) and "extends" in content):
        recipe = load_recipe(text, where=where)
        return Resolved(recipe, text, plugins=_plugins(recipe.plugins, path, _File(text, where)))
    file = _File(text, where)
    extension = convert_yaml(text, Extension, kind=RecipeError, where=where)
    found = _base_path(extension.extends, path, file)
    chain = (*chain, path)
    if len(chain) > _MAX_CHAIN:
        raise file.error("$.extends", f"more than {_MAX_CHAIN} recipes extend each other, expected fewer")
    if any(found.samefile(one) for one in chain):
        names = " extends ".join(one.name for one in (*chain, found))
        raise file.error("$.extends", f"a loop, {names}; expected a recipe that extends nothing in the end")
    base = _resolve(found, chain=chain)
    recipe = _extended(base.recipe, extension, file)
    name = extension.extends if found.parent == FOLDER else found.name
    return Resolved(
        recipe,
        written_out(recipe),
        extends=(Extended(recipe=name, sha256=sha256_of(found)), *base.extends),
        base=base.recipe,
        places={**base.places, **file.places(extension, base.recipe)},
        plugins=(*base.plugins, *_plugins(extension.plugins, path, file)),
    )


class _File(NamedTuple):
    """The text of an extension, to say where in it something is wrong."""

    text: str
    where: str

    def place(self, at: str, field: str | None = None) -> str:
        return f"{self.where}{place_of(self.text, at, field=field)}"

    def error(self, at: str, why: str, field: str | None = None) -> RecipeError:
        return RecipeError(f"{self.place(at, field)}: {at}: {why}")

    def require_known(self, at: str, name: str, known: Collection[str]) -> None:
        if name not in known:
            raise self.error(at, f"no source {name!r} in what it extends{did_you_mean(name, known)}")

    def places(self, extension: Extension, base: Recipe) -> dict[str, str]:
        found = {label: self.place("$.sources", label) for label in extension.sources}
        before = len(base.for_all)
        steps = range(len(extension.for_all))
        return found | {f"{FOR_ALL}[{before + i}]": self.place(f"$.{FOR_ALL}[{i}]") for i in steps}


def _base_path(name: str, path: Path, file: _File) -> Path:
    if name in shipped():
        return FOLDER / f"{name}.yaml"
    found = path.parent / name
    if not found.is_file():
        why = f"{name}: neither a shipped recipe nor a file in {path.parent}{did_you_mean(name, shipped())}"
        raise file.error("$.extends", why)
    return found


def _plugins(names: Sequence[str], path: Path, file: _File) -> tuple[Path, ...]:
    """The plugin files of a recipe, which are in its folder or below."""
    for i, name in enumerate(names):
        at = f"$.plugins[{i}]"
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts or not name.endswith(".py"):
            raise file.error(at, f"{name}: expected a .py file in the recipe's folder; pass others by --plugin")
        if not (path.parent / name).is_file():
            raise file.error(at, f"{name}: no such file in {path.parent}")
    return tuple(path.parent / name for name in names)


def _extended(base: Recipe, extension: Extension, file: _File) -> Recipe:
    """The base with the changes of an extension."""
    labels = [block.label for block in base.sources]
    for i, label in enumerate(extension.remove):
        file.require_known(f"$.remove[{i}]", label, labels)
        if label in extension.sources:
            raise file.error(f"$.remove[{i}]", f"{label!r} is changed under `sources` too; do one of the two")
    blocks = {block.label: block for block in base.sources if block.label not in extension.remove}
    for label, change in extension.sources.items():
        if label not in blocks and change.source is None:
            why = f"no source {label!r} in what it extends, expected one of it, or a new one with its `source`"
            raise file.error("$.sources", f"{why}{did_you_mean(label, labels)}", label)
        blocks[label] = _added(label, change) if change.source else _changed(blocks[label], change)
    for i, label in enumerate(extension.order):
        file.require_known(f"$.order[{i}]", label, blocks)
    ordered = [blocks[label] for label in dict.fromkeys([*extension.order, *blocks])]
    if not ordered:
        raise file.error("$.remove", "no source is left, expected one or more")
    if extension.for_all:
        kept = [label for label, change in extension.sources.items() if change.expect is not UNSET]
        ordered = [one if one.label in kept else _loosened(one) for one in ordered]
    if [block.label for block in ordered] != labels:
        ordered = [_without_position(block) for block in ordered]
    values = {name: value for name, value in _given(extension).items() if name not in _SPECIAL}
    values.setdefault("integer_ids", [label for label in base.integer_ids if label not in extension.remove])
    return msgspec.structs.replace(
        base,
        **values,
        sources=ordered,
        for_all=[*base.for_all, *extension.for_all],
        plugins=list(dict.fromkeys([*base.plugins, *extension.plugins])),
    )


def _given(extension: Extension) -> dict[str, Any]:
    """The fields that an extension sets."""
    values = {name: getattr(extension, name) for name in extension.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def _added(label: str, change: SourceChange) -> Block:
    assert change.source is not None, label
    return Block(
        source=change.source,
        name=None if label == change.source else label,
        files=change.files,
        params=change.params,
        steps=[] if change.steps is UNSET else change.steps,
        expect=None if change.expect is UNSET else change.expect,
        allow_empty=change.allow_empty is True,
    )


def _changed(block: Block, change: SourceChange) -> Block:
    params = {name: value for name, value in (block.params | change.params).items() if value is not None}
    changed = msgspec.structs.replace(
        block,
        files=block.files | change.files,
        params=params,
        steps=block.steps if change.steps is UNSET else change.steps,
        allow_empty=block.allow_empty if change.allow_empty is UNSET else change.allow_empty,
    )
    if change.expect is not UNSET:
        return msgspec.structs.replace(changed, expect=change.expect)
    gives_other = (changed.files, changed.params, changed.steps) != (block.files, block.params, block.steps)
    return _loosened(changed) if gives_other else changed


def _loosened(block: Block) -> Block:
    """The block without being held to its expectation, which is of what the base gives; it is still compared."""
    return _expecting(block, strict=False)


def _without_position(block: Block) -> Block:
    """The block without the position of its last record: the order is not the published file's any more."""
    return _expecting(block, last_position=None)


def _expecting(block: Block, **values: Any) -> Block:
    expect: Expect | None = block.expect and msgspec.structs.replace(block.expect, **values)
    return msgspec.structs.replace(block, expect=expect)


def changes(before: Recipe, after: Recipe) -> list[str]:
    """What differs between two recipes, a line each: fields of the recipe, then sources."""
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(after)
    lines = _differences("", old, new, leaving_out=("name", "description", "sources"))
    ours, theirs = ({block.label: msgspec.to_builtins(block) for block in one.sources} for one in (before, after))
    lines += [f"{label}: removed" for label in ours if label not in theirs]
    for label, block in theirs.items():
        if label not in ours:
            lines.append(f"{label}: added, {_brief({name: value for name, value in block.items() if name != 'name'})}")
        else:
            lines += _differences(f"{label}: ", ours[label], block)
    order = [label for label in theirs if label in ours]
    if order != [label for label in ours if label in theirs]:
        lines.append(f"order: {', '.join(theirs)}")
    return lines


def _differences(about: str, old: dict[str, Any], new: dict[str, Any], *, leaving_out: Sequence[str] = ()) -> list[str]:
    lines: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        ours, theirs = old.get(name), new.get(name)
        if name in leaving_out or ours == theirs:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            lines += _differences(f"{about}{name}: ", ours, theirs)
        else:
            lines.append(f"{about}{name}: {_brief(ours)} → {_brief(theirs)}")
    return lines


def _brief(value: Any) -> str:
    """A value as YAML on one line."""
    if value is None:
        return "none"
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()
