"""Addresses such as `s3://bucket/folder` where a path could stand."""

import os
import re
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.models import OptionInfo

from mix665k.schemas.errors import UserError

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>[^/].*)", re.DOTALL)
"""A path object keeps one of the two slashes. A scheme has two letters at least: `C:/` is a drive."""


def address_of(path: str | os.PathLike[str]) -> str | None:
    """The address that was given in place of a path, with both of its slashes; None for a path."""
    found = _ADDRESS.fullmatch(os.fspath(path))
    return f"{found['scheme'].lower()}://{found['rest']}" if found else None


def resolved(path: Path) -> Path:
    """A path that does not depend on the working folder; an address never does."""
    return path if address_of(path) else path.resolve()


def local_paths(command: Callable[..., Any], *, but: Collection[str] = ()) -> Callable[..., Any]:
    """A command that refuses an address for any of its paths but these parameters, before it does anything.

    Without this `--out s3://bucket/run` made a folder `s3:` in the working folder, and a run of days wrote into it.
    """
    hints = get_type_hints(command, include_extras=True)

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = signature(command).bind(*args, **kwargs).arguments
        for name, value in given.items():
            if name not in but:
                _require_local(value, shown=_shown(name, get_args(hints[name])))
        return command(*args, **kwargs)

    return checked


def _require_local(value: object, *, shown: str) -> None:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Path) and (address := address_of(one)):
            raise UserError(
                f"{shown}{address}: an address, expected a path on this machine; name a local one, and copy what is "
                "needed from or to the address"
            )


def _shown(name: str, told: Iterable[object]) -> str:
    """How the command line calls a parameter: an option by its name; of an argument the value says enough."""
    info = next((one for one in told if isinstance(one, OptionInfo)), None)
    if info is None:
        return ""
    declared = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str) and one[:2] == "--"]
    return f"{declared[0] if declared else '--' + name.replace('_', '-')} "
