"""Addresses such as `s3://bucket/folder` where a path could stand."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from typer.models import OptionInfo

from mix665k.schemas.errors import UserError

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>[^/].*)", re.DOTALL)
"""A path object keeps one of the two slashes. A scheme has two letters at least: `C:/` is a drive."""


def address_of(path: str | os.PathLike[str]) -> str | None:
    """The address that was given in place of a path, with both of its slashes; None for a path."""
    found = _ADDRESS.fullmatch(os.fspath(path))
    return f"{found['scheme'].lower()}://{found['rest']}" if found else None


def named_address(given: str) -> str:
    """An address that must be one.

    Raises:
        UserError: when it is none.
    """
    if (found := address_of(given)) is None:
        raise UserError(f"--url {given}: no address, expected one such as s3://bucket/raw")
    return found


def resolved(path: Path) -> Path:
    """A path that does not depend on the working folder; an address never does."""
    return path if address_of(path) else path.resolve()


class Takes(NamedTuple):
    """Which parameters of a command may be an address.

    `as_is` are for the command itself. In place of `mixtures`, `recipes` and what it writes, `out`, it gets a path on
    this machine; `keeps` says that what a killed run left in `out` is resumed.
    """

    as_is: Collection[str] = ()
    mixtures: Collection[str] = ()
    recipes: Collection[str] = ()
    out: str | None = None
    keeps: bool = False


_NONE = Takes()


def local_paths(command: Callable[..., Any], takes: Takes = _NONE) -> Callable[..., Any]:
    """A command that refuses an address for any of its paths but those that it takes, before it does anything.

    Without this `--out s3://bucket/run` made a folder `s3:` in the working folder, and a run of days wrote into it.
    """
    hints = get_type_hints(command, include_extras=True)

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = signature(command).bind(*args, **kwargs)
        known = {*takes.as_is, *takes.mixtures, *takes.recipes, takes.out}
        for name, value in given.arguments.items():
            if name not in known:
                require_local(value, shown=_shown(name, get_args(hints[name])))
        with ExitStack() as staged:
            for name, value in given.arguments.items():
                if name in known and name not in takes.as_is and value and (address := address_of(value)):
                    shown = _shown(name, get_args(hints[name])).strip()
                    staged_in = _stand_in(address, name, takes=takes, shown=shown, given=dict(given.arguments))
                    here = staged.enter_context(staged_in)
                    given.arguments[name] = str(here) if isinstance(value, str) else here
            return command(*given.args, **given.kwargs)

    return checked


@contextmanager
def _stand_in(address: str, name: str, *, takes: Takes, shown: str, given: Mapping[str, Any]) -> Iterator[Path]:
    """A path on this machine in place of an address; errors of the block name the address."""
    from mix665k.schemas.staging import Writing, mixture_here, recipe_here, writing_to

    path = None
    try:
        if name == takes.out:
            # a build that only looks writes nothing
            dry = takes.keeps and bool(given.get("dry_run"))
            way = Writing(overwrite=bool(given.get("overwrite")), keep=takes.keeps, dry=dry)
            with writing_to(address, option=shown, way=way) as path:
                yield path
        else:
            path = mixture_here(address) if name in takes.mixtures else recipe_here(address)
            yield path
    except UserError as error:
        raise type(error)(str(error).replace(str(path or address), address)) from None


def require_local(value: object, *, shown: str) -> None:
    """No path, or none of a list of paths, is an address.

    Raises:
        UserError: when one is; `shown` comes before it.
    """
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
