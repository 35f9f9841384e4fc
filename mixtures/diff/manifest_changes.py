"""What differs between the manifests of two mixtures."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from mix665k.mixtures.diff.comparison import Change
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.manifest import MANIFEST, Manifest, SourceEntry

_NONE = "none"


def manifest_changes(a: Manifest, b: Manifest) -> list[Change]:
    """Builder, recipe and options, and for each source that both have its files, parameters and steps."""
    changes = [
        *_values("", {"row hash": a.row_hash[:16]}, {"row hash": b.row_hash[:16]}),
        *_values("", {"tool": a.tool, "recipe": a.name}, {"tool": b.tool, "recipe": b.name}),
        *_recipe_changes(a, b),
        *_values("option", a.overrides, b.overrides),
        *_values("", {"selected by": _selections(a)}, {"selected by": _selections(b)}),
        *_values("", {"held out": _held_out(a)}, {"held out": _held_out(b)}),
        *_values("", {"integer ids": a.integer_ids}, {"integer ids": b.integer_ids}),
    ]
    others = {entry.name: entry for entry in b.sources}
    for entry in a.sources:
        if entry.name in others:
            changes += _source_changes(entry, others[entry.name])
    return changes


def _selections(manifest: Manifest) -> str:
    """The files that selected its records, in order."""
    return ", ".join(f"{one.file} {one.sha256[:16]}" for one in manifest.selections) or _NONE


def _source_changes(a: SourceEntry, b: SourceEntry) -> Iterator[Change]:
    name = a.name
    yield from _values(name, {"made by": a.source}, {"made by": b.source})
    yield from _values(name, a.params, b.params)
    for number, (ours, theirs) in enumerate(zip_longest(a.steps, b.steps), start=1):
        yield from _values(name, {f"step {number}": ours}, {f"step {number}": theirs})
    yield from _values(name, _inputs(a), _inputs(b))


def _inputs(entry: SourceEntry) -> dict[str, str]:
    """Path and hash of each file by its role, with a number where a role has several parts."""
    roles = [file.role for file in entry.inputs]
    return {
        file.role if roles.count(file.role) == 1 else f"{file.role} {roles[:i].count(file.role) + 1}": (
            f"{file.path} {file.sha256[:16]}"
        )
        for i, file in enumerate(entry.inputs)
    }


def _held_out(manifest: Manifest) -> str:
    held = manifest.held_out
    return f"{held.records:,} records, row hash {held.row_hash[:16]}" if held else _NONE


def _recipe_changes(a: Manifest, b: Manifest) -> Iterator[Change]:
    """The first line that differs, or, where one recipe was written out, the fields besides its sources."""
    if not any(one.extends or "set" in one.overrides for one in (a, b)):
        yield from _recipe_lines(a.recipe, b.recipe)
        return
    try:
        ours, theirs = (msgspec.to_builtins(load_recipe(one.recipe, where=MANIFEST)) for one in (a, b))
    except RecipeError:
        yield from _recipe_lines(a.recipe, b.recipe)
        return
    fields = [name for name in {**ours, **theirs} if name not in ("name", "description", "sources", "integer_ids")]
    yield from _values("recipe", {name: ours.get(name) for name in fields}, {name: theirs.get(name) for name in fields})


def _recipe_lines(a: str, b: str) -> Iterator[Change]:
    """The first line of the recipes that differs."""
    pairs = zip_longest(a.splitlines(), b.splitlines(), fillvalue=_NONE)
    for number, (ours, theirs) in enumerate(pairs, start=1):
        if ours != theirs:
            yield Change(f"recipe, line {number}", ours.strip(), theirs.strip())
            return


def _values(about: str, a: dict[str, Any], b: dict[str, Any]) -> Iterator[Change]:
    ours, theirs = dict(_flat(a)), dict(_flat(b))
    for key in dict.fromkeys([*ours, *theirs]):
        values = ours.get(key, _NONE), theirs.get(key, _NONE)
        if values[0] != values[1]:
            yield Change(key, *values, about)


def _flat(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Values as text, those inside a value under both names."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{key} {name}", text) for name, text in _flat(value))
        elif value is not None and value != []:
            yield key, value if isinstance(value, str) else msgspec.json.encode(value).decode()
