"""Raw files at an address: those that a recipe reads are copied into this machine's cache, and read there."""

import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from mix665k.builders.bind import FILES
from mix665k.builders.registry import SOURCES
from mix665k.builders.stored_folders import HUB
from mix665k.mixtures.image_keys import SHARED_IMAGES
from mix665k.schemas.cache import user_cache
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.files import held, write_whole
from mix665k.schemas.images.remote import CACHE_GB, cache_bytes
from mix665k.schemas.recipe import Recipe
from mix665k.schemas.remote import RemoteFile, as_kind, copy_here, files_below

_STAMPS = ".stamps.json"


def raw_here(address: str, recipe: Recipe) -> Path:
    """A folder on this machine with the raw files of a recipe's sources; those that changed are copied again.

    Raises:
        RawDataError: when the address cannot be read, or its files are larger than the cache may be.
    """
    with as_kind(RawDataError, "--raw"):
        address = address.rstrip("/")
        there = {one.path: one for one in files_below(address)}
        if not there:
            raise RawDataError(f"--raw {address}: nothing is there; `mix sources` lists what belongs there")
        wanted = {path: there[path] for path in there if _is_named(path, list(_named(recipe)))}
        if (total := sum(one.size for one in wanted.values())) > cache_bytes():
            gigabytes = f"{total / 1e9:,.1f} GB of raw files"
            raise RawDataError(f"--raw {address}: {gigabytes}, more than {CACHE_GB} lets the cache hold; raise it")
        folder = user_cache() / "raw" / hashlib.sha256(address.encode()).hexdigest()[:24]
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder.with_name(f"{folder.name}.lock"), busy=None):
            _bring(address, folder, wanted)
    return folder


def _bring(address: str, folder: Path, wanted: dict[str, RemoteFile]) -> None:
    stamps = folder / _STAMPS
    known: dict[str, Any] = msgspec.json.decode(stamps.read_bytes()) if stamps.is_file() else {}
    for path, one in wanted.items():
        if known.get(path) != [one.size, one.stamp] or not (folder / path).is_file():
            copy_here(f"{address}/{path}", folder / path, size=one.size)
            known[path] = [one.size, one.stamp]
            write_whole(stamps, msgspec.json.encode(known))
    for path in set(known) - set(wanted):  # another recipe's, or gone there: a glob must not find it here
        (folder / path).unlink(missing_ok=True)
        del known[path]
    write_whole(stamps, msgspec.json.encode(known))


def _named(recipe: Recipe) -> Iterator[str]:
    """The paths that a recipe has for raw files, as globs: files, or folders of their parts."""
    for block in recipe.sources:
        if block.files:
            for named in block.files.values():
                yield from [named] if isinstance(named, str) else named
        elif block.source in SOURCES:
            for file in SOURCES[block.source].about.files:
                yield file.path
                yield str(PurePosixPath(file.path).with_suffix(""))
        yield from _in_steps(block.steps)
    yield from _in_steps(recipe.for_all)
    yield from filter(None, (recipe.draws_from, recipe.select.by if recipe.select else None, SHARED_IMAGES.file.path))


def _in_steps(steps: Iterable[Any]) -> Iterator[str]:
    """The files that parameters of steps, or of steps inside them, name."""
    for step in steps:
        for given in step.values() if isinstance(step, dict) else ():
            for name, value in given.items() if isinstance(given, dict) else ():
                if name in FILES and isinstance(value, str):
                    yield value
                elif isinstance(value, list):
                    yield from _in_steps(value)


def _is_named(path: str, named: list[str]) -> bool:
    return any(
        path == one or path.startswith(f"{one.rstrip('/')}/") or fnmatchcase(path, one)
        for one in named
        if not one.startswith(HUB)
    )
