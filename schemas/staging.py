"""Stand-ins on this machine for what is at an address: mixtures and recipes to read, folders and files to write."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mix665k.schemas.cache import user_cache
from mix665k.schemas.errors import BusyError, MixtureError, RecipeError, RemoteError
from mix665k.schemas.files import held
from mix665k.schemas.hub import download, hub_address
from mix665k.schemas.images.shards import PUBLISHED
from mix665k.schemas.manifest import MANIFEST
from mix665k.schemas.remote import (
    RemoteFile,
    copy_here,
    files_below,
    put_file,
    remove_file,
    require_library,
    require_writable,
    scheme_of,
)
from mix665k.schemas.terminal import say

ON_HUB_FILES = (MANIFEST, "data/*.parquet", "README.md", "recipe.yaml")
"""What to download of a published mixture: not the images that may be beside it."""
_LAST = (MANIFEST, "dataset_info.json", "README.md")
"""What is put at an address after everything else: the first of these that there is."""


def mixture_here(address: str) -> Path:
    """A mixture, or a JSON file in LLaVA's form, that is at an address, in the cache of this machine.

    It is copied again when anything of it has changed, with its manifest last.

    Raises:
        MixtureError: when there is no mixture.
        RemoteError: when it cannot be read.
        HubError: the same of the Hub.
    """
    if scheme_of(address) == "hf":
        return download(address, **hub_address(address)._asdict(), patterns=ON_HUB_FILES)
    address = address.rstrip("/")
    files = [one for one in files_below(address) if not one.path.startswith((".", f"{PUBLISHED}/"))]
    if [one.path for one in files] == [""]:
        return _copied(address, files[0], "mixtures")
    if MANIFEST not in [one.path for one in files]:
        raise MixtureError(f"{address}: no {MANIFEST} is there, expected a mixture, or a JSON file in LLaVA's own form")
    folder = _folder("mixtures", address) / hashlib.sha256(repr(files).encode()).hexdigest()[:12] / _name(address)
    with held(folder.with_name(".lock"), busy=None):
        for one in sorted(files, key=lambda one: one.path == MANIFEST):
            path = folder / one.path
            if not path.is_file() or path.stat().st_size != one.size:
                copy_here(f"{address}/{one.path}", path, size=one.size)
    return folder


def recipe_here(address: str) -> Path:
    """A recipe's file that is at an address, in the cache of this machine.

    Raises:
        RecipeError: when it is not there.
        RemoteError: when it cannot be read.
    """
    found = files_below(address)
    if [one.path for one in found] != [""]:
        raise RecipeError(f"{address}: no such file, expected a recipe")
    return _copied(address, found[0], "recipes")


def _copied(address: str, file: RemoteFile, kind: str) -> Path:
    path = _folder(kind, address) / hashlib.sha256(repr(file).encode()).hexdigest()[:12] / _name(address)
    with held(path.with_name(".lock"), busy=None):
        return path if path.is_file() else copy_here(address, path, size=file.size)


class Writing(NamedTuple):
    """How an address is written to.

    `overwrite` what is there; `keep` on this machine what a killed run left, for the next one to resume; `dry`: not at
    all, the block only looks.
    """

    overwrite: bool = False
    keep: bool = False
    dry: bool = False


@contextmanager
def writing_to(address: str, *, option: str, way: Writing) -> Iterator[Path]:
    """A path on this machine to write to; what is there at the end of the block is put at the address, or nothing.

    An object store renames nothing, so the manifest, or what else tells that a folder is complete, is removed first and
    put last: nobody reads a part.

    Raises:
        MixtureError: when something else is at the address, and is not to be overwritten.
        RemoteError: when nothing may be written there, or not all could be.
    """
    address = address.rstrip("/")
    if scheme_of(address) == "hf":
        raise MixtureError(f"{option} {address}: nothing is written there piece by piece; use `mix publish`")
    require_library(address)
    work = _folder("out", address) / _name(address)
    busy = BusyError(f"{option} {address}: another run on this machine is writing there; wait for it, or name another")
    with held(work.with_name(".lock"), busy=busy):
        before = [one for one in files_below(address) if not one.path.startswith(".")]
        if before and not way.overwrite and not (way.keep and _is_ours(work, before)):
            raise MixtureError(f"{option} {address}: something is there that was not built from here; name another")
        if not way.dry:
            require_writable(address)
        if not way.keep:
            _remove(work)
        yield work
        if work.exists() and not way.dry:
            _put(work, address, before)


def _is_ours(work: Path, there: list[RemoteFile]) -> bool:
    """Whether this machine put there what is there: it has files of the same paths and sizes."""
    return all((work / one.path).is_file() and (work / one.path).stat().st_size == one.size for one in there)


def _put(work: Path, address: str, before: list[RemoteFile]) -> None:
    if work.is_file():
        put_file(work, address)
        say(f"put at {address}: {work.stat().st_size:,} bytes", err=True)
        return
    paths = [path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file()]
    names = [name for name in paths if not _is_hidden(name)]
    last = next((name for name in _LAST if name in names), None)
    put: list[str] = []
    try:
        for name in (name for name in _LAST if name in [one.path for one in before]):
            remove_file(f"{address}/{name}")
        for name in sorted(names, key=lambda name: (name == last, name)):
            put.append(name)
            put_file(work / name, f"{address}/{name}")
    except BaseException:
        for name in put:
            with suppress(RemoteError):  # what stopped the upload is the error
                remove_file(f"{address}/{name}")
        raise
    for one in before:
        if one.path not in names and PurePosixPath(one.path).match("data/*.parquet"):
            remove_file(f"{address}/{one.path}")  # of the mixture that this one takes the place of
    total = sum((work / name).stat().st_size for name in names)
    say(f"put at {address}: {len(names):,} files, {total:,} bytes", err=True)


def _is_hidden(name: str) -> bool:
    """Whether a path is of a run's own work, or of a cache; Energon's index is not."""
    parts = PurePosixPath(name).parts
    return parts[0] != ".nv-meta" and any(part.startswith(".") for part in parts)


def _folder(kind: str, address: str) -> Path:
    folder = user_cache() / kind / hashlib.sha256(address.encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _name(address: str) -> str:
    return address.rpartition("/")[2] or "root"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
