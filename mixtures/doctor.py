"""What `mix doctor` tells: whether this machine and its libraries have what the commands need."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import msgspec
from packaging.requirements import Requirement
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.parts import published_parts
from mix665k.builders.registry import SOURCES
from mix665k.mixtures.engine.tasks import OnRay
from mix665k.mixtures.storage.recipes import find_recipe, load_recipe, read_recipe
from mix665k.schemas.errors import RawDataError, RemoteError, UserError
from mix665k.schemas.install import install, upgrade
from mix665k.schemas.remote import files_below
from mix665k.schemas.tokenizer import local_tokenizer_folder

PACKAGE = "mix665k"
_FULL_BUILD = 6e9
"""Bytes: the raw annotation files of all sources unpacked, and the mixture (benchmarks/RESULTS.md)."""
_BUILD_MEMORY = 4e9
"""Bytes that a full build may take over all its processes (benchmarks/RESULTS.md)."""
_VARIABLES = ("HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NO_COLOR")


_FOR_DEVELOPERS = ("dev", "docs")
Verdict = Literal["ok", "lacking", "wrong"]


class Check(msgspec.Struct):
    """One thing that was looked at; `lacking` keeps some commands from working, `wrong` should be mended."""

    what: str
    verdict: Verdict
    found: str


def examine(
    *, raw: Path | None, tokenizer: str | None, addresses: Sequence[str] = (), cluster: OnRay | None = None
) -> list[Check]:
    """Look at everything; nothing is fetched and no secret is shown. The tokenizer is the full recipe's by default.

    Raises:
        RawDataError: when `raw` is no folder.
    """
    if raw is not None and not raw.is_dir():
        raise RawDataError(f"--raw {raw}: no such folder, expected the one with the raw files")
    python = Check("Python", "ok", f"{platform.python_version()}, {sys.platform}")
    checks = [Check("mix665k", "ok", version(PACKAGE)), python, _disk(raw or Path.cwd()), _memory()]
    checks += _libraries()
    checks += [_accelerator(), _tokenizer(tokenizer or _full_recipe_tokenizer()), _hub()]
    checks += [_address(one) for one in addresses]
    checks += [_engine(cluster)] if cluster is not None else []
    checks += [Check(name, "ok", _shown(name)) for name in _VARIABLES if os.environ.get(name)]
    return checks + (_raw_files(raw) if raw is not None else [])


_ALWAYS = ("mix665k", "Python", "libraries")
NEEDS = {
    "build": (*_ALWAYS, "disk", "memory", "tokenizer"),
    "train": (*_ALWAYS, "disk", "[train]", "GPU"),
    "eval": (*_ALWAYS, "[train]", "GPU"),
}
"""What each task cannot do without at full size. Toy models train and answer without a GPU."""


def needed_for(task: str, checks: list[Check]) -> list[Check]:
    """The checks that matter to a task, and of the addresses and raw files that were asked about."""
    return [
        check
        for check in checks
        if check.what in (*NEEDS[task], "engine") or "://" in check.what or check.what[:4] == "raw "
    ]


def _engine(cluster: OnRay) -> Check:
    """Whether a Ray cluster is there, and every node of it has what tasks need."""
    from mix665k.mixtures.engine.on_ray import look

    try:
        found, lacking = look(cluster)
    except UserError as error:
        return Check("engine", "wrong", str(error))
    return Check("engine", "wrong" if lacking else "ok", "; ".join([found, *lacking]))


def print_checks(console: Console, checks: list[Check]) -> None:
    """One line for each."""
    styles = {"ok": "green", "lacking": "yellow", "wrong": "red"}
    table = Table("what", "", "found", box=SIMPLE_HEAD)
    for check in checks:
        table.add_row(Text(check.what), Text(check.verdict, style=styles[check.verdict]), Text(check.found))
    console.print(table)


def _full_recipe_tokenizer() -> str:
    path = find_recipe("llava-v1.5-mix665k")
    name = load_recipe(read_recipe(path), where=str(path)).tokenizer
    assert name is not None, path
    return name


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    enough = free >= _FULL_BUILD
    need = "" if enough else f"; a full build needs {_FULL_BUILD / 1e9:.0f} GB"
    return Check("disk", "ok" if enough else "lacking", f"{free / 1e9:,.1f} GB free at {folder}{need}")


def _memory() -> Check:
    cores = f"{os.cpu_count()} cores"
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return Check("memory", "ok", f"{cores}, memory not known")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    enough = memory >= _BUILD_MEMORY
    need = "" if enough else f"; a full build takes up to {_BUILD_MEMORY / 1e9:.0f} GB, less with --jobs 1"
    return Check("memory", "ok" if enough else "lacking", f"{cores}, {memory / 1e9:,.1f} GB{need}")


def _libraries() -> Iterator[Check]:
    """The libraries all commands need, then those of each extra that a user may want."""
    wanted = [Requirement(text) for text in requires(PACKAGE) or []]
    always = [one for one in wanted if one.marker is None]
    yield _installed("libraries", always, mend=upgrade(), without="wrong")
    for extra in metadata(PACKAGE).get_all("Provides-Extra") or []:
        mine = [one for one in wanted if one.marker is not None and one.marker.evaluate({"extra": extra})]
        if extra not in _FOR_DEVELOPERS:
            yield _installed(f"[{extra}]", mine, mend=install(extra), without="lacking")


def _installed(what: str, wanted: list[Requirement], *, mend: str, without: Verdict) -> Check:
    found: list[str] = []
    absent: list[str] = []
    unfit: list[str] = []
    for one in wanted:
        try:
            has = f"{one.name} {version(one.name)}"
        except PackageNotFoundError:
            absent.append(f"{one.name} not installed")
            continue
        fits = one.specifier.contains(version(one.name), prereleases=True)
        (found if fits else unfit).append(has if fits else f"{has}, expected {one.specifier}")
    if not absent and not unfit:
        return Check(what, "ok", ", ".join(found))
    return Check(what, "wrong" if unfit else without, f"{'; '.join(unfit + absent)}; {mend}")


def _accelerator() -> Check:
    if find_spec("torch") is None:
        return Check("GPU", "lacking", "torch not installed, so not looked for")
    import torch

    if not torch.cuda.is_available():
        return Check("GPU", "lacking", f"torch {torch.__version__} sees none; training is for trying things on")
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    named = ", ".join(f"{card.name} {card.total_memory / 1e9:,.0f} GB" for card in cards)
    halves = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
    return Check("GPU", "ok", f"{named}; {halves}, CUDA {torch.version.cuda}, torch {torch.__version__}")


def _tokenizer(name: str) -> Check:
    folder = local_tokenizer_folder(name)
    if folder is None:
        return Check(
            "tokenizer", "lacking", f"{name} is neither a folder nor in the hub's cache; a build would fetch it"
        )
    return Check("tokenizer", "ok", f"{name}, in {folder}")


def _hub() -> Check:
    from huggingface_hub import constants, get_token

    if get_token() is None:
        return Check("hub", "lacking", f"{constants.ENDPOINT}, no token; publishing needs `hf auth login` or HF_TOKEN")
    held = "HF_TOKEN" if os.environ.get("HF_TOKEN") else "the hub's own login"
    return Check("hub", "ok", f"{constants.ENDPOINT}, token from {held}")


def _address(address: str) -> Check:
    """Whether an address can be listed with the credentials that its library finds; no file is read."""
    try:
        found = files_below(address.rstrip("/"), deep=False)
    except RemoteError as error:
        return Check(address, "lacking", str(error).removeprefix(f"{address.rstrip('/')}: "))
    there = f"{len(found):,} entries" if found else "nothing is there"
    return Check(address, "ok", f"may be listed, {there}")


def _shown(variable: str) -> str:
    """The value of an environment variable, a password in an address left out."""
    return re.sub(r"//[^/@]*@", "//…@", os.environ[variable])


def _raw_files(raw: Path) -> list[Check]:
    checks = []
    for name in sorted(SOURCES):
        if not SOURCES[name].about.offered:
            continue
        needed = {file.path: not file.optional for file in SOURCES[name].about.files}
        absent = [path for path in needed if not all(part.is_file() for part in published_parts(raw, path))]
        there = f"{len(needed) - len(absent)} of {len(needed)} files"
        lacking = len(absent) == len(needed) or any(needed[path] for path in absent)
        found = f"{there}; not there: {', '.join(absent)}; see `mix fetch --source {name}`" if absent else there
        checks.append(Check(f"raw {name}", "lacking" if lacking else "ok", found))
    return checks
