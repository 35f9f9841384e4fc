"""The reference of the commands, from their functions."""

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from docs.generator.tables import block, table
from mix665k import cli

APPS: dict[str, typer.Typer] = {"mix": cli.mix, "train": cli.train}
_WORDS: dict[Any, str] = {str: "text", int: "integer", float: "number", Path: "path", bool: "switch"}


class Parameter(NamedTuple):
    """An argument or an option of a command."""

    flags: tuple[str, ...]
    is_option: bool
    kind: str
    required: bool
    default: str
    help: str


class Command(NamedTuple):
    """A command as its function declares it."""

    name: str
    text: str
    parameters: tuple[Parameter, ...]

    @property
    def usage(self) -> str:
        """The line to type, with all that must be given."""
        needed = [_needed(parameter) for parameter in self.parameters if parameter.required]
        return " ".join([self.name, *needed, "[OPTIONS]"])


def commands(app: str) -> list[Command]:
    """The commands of `mix` or `train`, in the order of their help."""
    found = []
    for info in APPS[app].registered_commands:
        function = info.callback
        assert function is not None, info
        name = info.name or function.__name__.replace("_", "-")
        text = inspect.cleandoc(function.__doc__ or "")
        found.append(Command(f"{app} {name}", text, tuple(_parameters(function))))
    return found


def command_page(app: str) -> str:
    """A section for each command of `mix` or `train`."""
    return "\n\n".join(_section(command) for command in commands(app))


def _section(command: Command) -> str:
    rows = [_row(parameter) for parameter in command.parameters]
    body = table(["", "value", "default", "what it does"], rows) if rows else "It takes nothing."
    return f"## {command.name}\n\n{command.text}\n\n{block('console', command.usage)}\n\n{body}"


def _row(parameter: Parameter) -> list[str]:
    flags = ", ".join(f"`{flag}`" for flag in parameter.flags)
    return [flags, parameter.kind, "**required**" if parameter.required else parameter.default, parameter.help]


def _needed(parameter: Parameter) -> str:
    value = parameter.flags[0].strip("-").upper().replace("-", "_")
    return f"{parameter.flags[0]} {value}" if parameter.is_option else value


def _parameters(function: Any) -> Iterator[Parameter]:
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = _split(hints[name])
        if info.hidden:
            continue
        required = parameter.default is inspect.Parameter.empty
        is_option = isinstance(info, OptionInfo)
        told = [info.default, *(info.param_decls or ())]  # in an annotation the first name stands where a default would
        flags = tuple(flag for flag in told if isinstance(flag, str) and flag.startswith("-"))
        flags = flags or (f"--{name}".replace("_", "-"),)
        yield Parameter(
            flags if is_option else (name.upper(),),
            is_option,
            _word(kind, info),
            required,
            "" if required else _default(parameter.default, info),
            info.help or "",
        )


def _split(hint: Any) -> tuple[Any, ArgumentInfo | OptionInfo]:
    """An annotation's type, without None, and what typer is told about it."""
    assert get_origin(hint) is Annotated, hint
    kind, *told = get_args(hint)
    [info] = [one for one in told if isinstance(one, ArgumentInfo | OptionInfo)]
    if get_origin(kind) in (Union, UnionType):
        [kind] = [one for one in get_args(kind) if one is not type(None)]
    return kind, info


def _word(kind: Any, info: ArgumentInfo | OptionInfo) -> str:
    if get_origin(kind) is list:
        return f"{_word(get_args(kind)[0], info)}, repeatable"
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{one.value}`" for one in kind)
    bound = f" ≥ {info.min}" if info.min is not None else ""
    return _WORDS[kind] + bound


def _default(value: Any, info: ArgumentInfo | OptionInfo) -> str:
    if isinstance(info.show_default, str):
        return f"`{info.show_default}`"
    if value is None or value is False:
        return ""
    return f"`{'yes' if value is True else value}`"
