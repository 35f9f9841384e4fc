"""What goes wrong in a plugin while it runs, as one line: its file and line, the source or step, and the record."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

import msgspec

from mix665k.builders.funnel import Dropped, Regrouped, upstream_of
from mix665k.builders.registry import Plugin, all_known, plugin_of
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RecipeError, UserError, one_line


@contextmanager
def plugin_errors(about: str, *, last: Callable[[], str] = str) -> Iterator[None]:
    """Raise what a plugin raises as one line about a source or step; `last` gives the id of the record it was given.

    Raises:
        RecipeError: in place of an error of a plugin's. One of our own code passes as it is.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if (place := _place(error)) is None:
            raise
        record = f" (id {identifier!r})" if (identifier := last()) else ""
        raise RecipeError(f"{place}: {about}{record}: {type(error).__name__}: {one_line(error)}") from error


def _place(error: BaseException) -> str | None:
    """File and line of the innermost call of a plugin; None where the error is from elsewhere."""
    plugins = {one.function.__module__: plugin for one in all_known() if (plugin := plugin_of(one))}
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        if upstream_of(frame.f_code):  # of what a step is given, not of the step
            return None
        if plugin := plugins.get(frame.f_globals.get("__name__", "")):
            return f"{plugin.path}, line {line}"
    return None


def of_source(found: Any, plugin: Plugin, *, name: str, last: Callable[[], str]) -> Iterator[Any]:
    """What a plugin's source yields, each of the form that it must have.

    Raises:
        RecipeError: for another form, and in place of an error of the plugin's.
    """
    return _sound(found, plugin, about=f"source {name}", kinds=(Conversation, Dropped, Regrouped), last=last)


def of_step(found: Any, plugin: Plugin, *, name: str, last: Callable[[], str]) -> Iterator[Conversation]:
    """The conversations that a plugin's step yields, see `of_source`."""
    return _sound(found, plugin, about=f"step {name}", kinds=(Conversation,), last=last)


def _sound(
    found: Any, plugin: Plugin, *, about: str, kinds: tuple[type, ...], last: Callable[[], str]
) -> Iterator[Any]:
    if not isinstance(found, Iterable):
        raise RecipeError(f"{plugin.path}: {about} gives {type(found).__name__}, expected it to yield conversations")
    with plugin_errors(about, last=last):
        for one in found:
            if why := _fault(one, kinds):
                raise RecipeError(f"{plugin.path}: {about} (id {last()!r}) yields {why}")
            yield one


def _fault(one: Any, kinds: tuple[type, ...]) -> str | None:
    """What is wrong with what was yielded, or None: the types of its fields are not checked when it is made."""
    if type(one) not in kinds:
        return f"{type(one).__name__}, expected {' or '.join(kind.__name__ for kind in kinds[:2])}"
    try:
        msgspec.convert(msgspec.to_builtins(one), type(one))
    except (msgspec.ValidationError, TypeError) as error:
        return f"a {type(one).__name__} with a wrong field: {one_line(error)}"
    return None
