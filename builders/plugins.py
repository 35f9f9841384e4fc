"""Sources and steps of people's own: a file that a recipe or `--plugin` names, or a module of an installed package.

A plugin is code. It runs where a person has named its file or has installed it, and never because data do: what a
manifest says of plugins only has to agree with those that are given.
"""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from traceback import walk_tb
from typing import Any

from mix665k.builders.bind import BoundSource, BoundStep, describe, parameters
from mix665k.builders.registry import PLUGIN_FILES, Plugin, Source, Step, all_known, forget, plugin_of, run_file
from mix665k.schemas.errors import RecipeError, UserError, one_line
from mix665k.schemas.files import os_errors, regular_file
from mix665k.schemas.manifest import UsedPlugin

ENTRY_POINTS = "mix665k.plugins"
"""The group of entry points by which an installed package offers modules with sources and steps."""
_POSITIONAL = {Source: ("raw",), Step: ("conversations", "funnel")}


def use_plugins(paths: Sequence[Path]) -> None:
    """Have the sources and steps of these files, and of no other files; what installed packages bring stays.

    Raises:
        RecipeError: for a file that is missing or cannot be run, has a name that is taken, or a function that does not
            fit.
    """
    read = [_read(path) for path in paths]
    wanted = {plugin.module: plugin for plugin in reversed(read)}
    for plugin in [one for one in PLUGIN_FILES.values() if wanted.get(one.module) != one]:
        forget(plugin.module)
    for plugin in reversed(wanted.values()):
        if plugin.module not in PLUGIN_FILES:
            _load(plugin)


def _read(path: Path) -> Plugin:
    if path.suffix != ".py":
        raise RecipeError(f"plugin {path}: expected a Python file, whose name ends in .py")
    with os_errors(RecipeError, f"plugin {path}"):
        content = regular_file(path).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return Plugin(module=f"mix665k_plugin_{sha256}", path=path, sha256=sha256, content=content)


def _load(plugin: Plugin) -> None:
    try:
        _run(lambda: run_file(plugin), plugin.module, str(plugin.path))
        _require_sound(plugin.module, str(plugin.path))
    except BaseException:
        forget(plugin.module)
        raise


def load_installed() -> None:
    """Have the sources and steps of the packages in this environment.

    Raises:
        RecipeError: for a package whose plugin cannot be imported or does not fit.
    """
    for point in entry_points(group=ENTRY_POINTS):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.name
        _run(point.load, point.module, f"installed package {package}: plugin {point.value}")
        _require_sound(point.module, f"installed package {package}: plugin {point.value}")


def _run(work: Callable[[], Any], module: str, where: str) -> None:
    """Run a module's code, whatever it raises on one line."""
    try:
        work()
    except (Exception, SystemExit) as error:
        if isinstance(error, MemoryError):
            raise
        frames = walk_tb(error.__traceback__)
        line = next((n for frame, n in reversed([*frames]) if frame.f_globals.get("__name__") == module), None)
        why = f"{type(error).__name__}: {one_line(error)}"
        if isinstance(error, SyntaxError):
            line, why = error.lineno, f"{type(error).__name__}: {error.msg}"
        if isinstance(error, UserError):
            why = str(error)
        if isinstance(error, ModuleNotFoundError):
            why += "; a plugin is one file, what it imports must be installed"
        raise RecipeError(f"{where}{f', line {line}' if line else ''}: {why}") from error


def _require_sound(module: str, where: str) -> None:
    """A plugin registers something, of functions as a recipe can call them."""
    own = [one for one in all_known() if _is_of(one, module)]
    if not own:
        raise RecipeError(f"{where}: has no source and no step, expected a function under @source(...) or @step()")
    for one in own:
        if why := _signature_fault(one):
            kind = type(one).__name__.lower()
            raise RecipeError(f"{where}, line {one.function.__code__.co_firstlineno}: {kind} {one.name}: {why}")


def _is_of(one: Source | Step, module: str) -> bool:
    """Whether a function is of a module, or of a package's part."""
    return f"{one.function.__module__}.".startswith(f"{module}.")


def _signature_fault(one: Source | Step) -> str | None:
    """Why a recipe cannot call a function, or None."""
    wanted = _POSITIONAL[type(one)]
    given = list(inspect.signature(one.function).parameters.values())
    positional = [each for each in given if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(positional) != len(wanted) or any(str(each).startswith("*") for each in positional):
        found = ", ".join(str(each).partition(":")[0] for each in positional)
        return f"takes ({found}), expected ({', '.join(wanted)}), then parameters after a `*`"
    for each in given:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and each.annotation is inspect.Parameter.empty:
            return f"parameter {each.name!r} has no type, expected one, such as `{each.name}: int = 1`"
    try:
        for parameter in parameters(one.function).values():
            describe(parameter.annotation)
    except (NameError, TypeError) as error:
        return f"a parameter's type is none that YAML gives, such as int, str or list[str]: {one_line(error)}"
    return None


def plugins_of(bound: BoundSource) -> list[Plugin]:
    """The plugins that a source and its steps are from, by name."""
    used: list[Source | Step] = [bound.source, *_steps(bound.steps)]
    found = {plugin.module: plugin for one in used if (plugin := plugin_of(one))}
    return sorted(found.values(), key=lambda plugin: (plugin.name, plugin.sha256))


def _steps(steps: Sequence[BoundStep]) -> list[Step]:
    """Steps and those inside them."""
    return [step for bound in steps for step in (bound.step, *_steps([i for e in bound.inner.values() for i in e]))]


def missing_plugin(used: UsedPlugin) -> str | None:
    """What to do to have the plugin that a mixture was built with, or None where it is at hand."""
    here = {plugin.name: plugin for one in all_known() if (plugin := plugin_of(one))}
    if not used.is_file:
        return None if used.name in here else f"needs {used.name} of {used.version or 'a package'}; install it"
    if any(plugin.sha256 == used.sha256 for plugin in here.values()):
        return None
    other = f", not {here[used.name].path}, which has {here[used.name].sha256[:16]}" if used.name in here else ""
    return f"needs the plugin {used.name}, sha256 {used.sha256[:16]}{other}; pass that file by --plugin"


def used_now(used: UsedPlugin) -> tuple[str, str, str]:
    """Name, version and hash of the plugin at hand that has a used one's name, as `identity_of` gives them."""
    here = (plugin for one in all_known() if (plugin := plugin_of(one)))
    found = [identity_of(plugin) for plugin in here if plugin.name == used.name or plugin.sha256 == used.sha256]
    same = [one for one in found if one[2] == used.sha256]
    return (same or found or [(used.name, used.version, "")])[0]


def identity_of(plugin: Plugin) -> tuple[str, str, str]:
    """What decides what a plugin does, as far as it can be known: its name, its package's version, its file's hash."""
    return plugin.name, plugin.version, plugin.sha256
