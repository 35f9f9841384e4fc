"""The key of a built source: equal keys mean that building again would give the same rows."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from mix665k import builders, schemas
from mix665k.builders.bind import FILES, BoundSource
from mix665k.builders.plugins import identity_of, plugins_of, used_now
from mix665k.builders.raw import OnBadRecord
from mix665k.mixtures.build.plan import Options, named_by, params_of
from mix665k.mixtures.storage import parquet, validate
from mix665k.schemas.errors import RawDataError, RecipeError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import InputFile, SourceEntry, UsedPlugin
from mix665k.schemas.tokenizer import fingerprint, tokenizer_files

TOKENIZER = "tokenizer"
"""The role of an input that is no raw file."""


def hash_inputs(bound: BoundSource, raw: Path, *, known: Mapping[Path, str] = MappingProxyType({})) -> list[InputFile]:
    """Size and SHA-256 of all that a source and its steps read: raw files, id files, tokenizers.

    The SHA-256 of some may be `known`.

    Raises:
        RawDataError: for a part of a raw file that is there twice.
    """
    inputs: dict[Path, InputFile] = {}
    found: list[InputFile] = []
    for role, path in _files(bound):
        if path not in inputs:
            name = path.relative_to(raw).as_posix() if path.is_relative_to(raw) else path.name
            sha256 = known.get(path) or sha256_of(path)
            inputs[path] = InputFile(role=role, path=name, bytes=path.stat().st_size, sha256=sha256)
        file = msgspec.structs.replace(inputs[path], role=role)
        if twin := next((one for one in found if (one.role, one.sha256) == (role, file.sha256)), None):
            raise RawDataError(f"{path}: the same bytes as {twin.path}, expected each part of {role} once; remove one")
        found.append(file)
    return found + [hash_tokenizer(name) for name in named_by(bound.steps, TOKENIZER)]


def _files(bound: BoundSource) -> list[tuple[str, Path]]:
    """The files that a source and its steps read, with their roles."""
    parts = [(role, path) for role, files in bound.files.items() for path in files]
    return [*parts, *((role, Path(name)) for role in FILES for name in named_by(bound.steps, role))]


def input_states(bound: BoundSource) -> dict[Path, tuple[int, int, int]]:
    """Size, time of the last change and inode of every file that a source and its steps read."""
    found = {path: path.stat() for _, path in _files(bound) if path.exists()}
    return {path: (stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in found.items()}


def require_unchanged(before: Mapping[Path, Any], after: Mapping[Path, Any]) -> None:
    """No file changed between being hashed and being read to its end, see `input_states`.

    Raises:
        RawDataError: for the first that did.
    """
    # hashing what was read would be certain, and read every raw file twice
    for path, state in before.items():
        if after.get(path) != state:
            what = "changed" if path in after else "was removed"
            raise RawDataError(f"{path}: {what} while the mixture was built from it; build again when it is complete")


def require_same_plugins(bound: BoundSource) -> None:
    """The plugins of a source are those that it was built with: somebody may be editing them.

    Raises:
        RecipeError: for the first that is not.
    """
    for plugin in plugins_of(bound):
        if not plugin.path.is_file() or sha256_of(plugin.path) != plugin.sha256:
            what = "changed" if plugin.path.is_file() else "was removed"
            raise RecipeError(f"{plugin.path}: {what} while the mixture was built with it; build again")


def input_fault(file: InputFile, path: Path) -> str | None:
    """Why a file is not the one that a source was built from, or None."""
    if not path.is_file():
        return f"{path}: no such file"
    if (size := path.stat().st_size) != file.bytes:
        return f"{path}: {size:,} bytes, the mixture was built from {file.bytes:,}"
    if (sha256 := sha256_of(path)) != file.sha256:
        return f"{path}: sha256 {sha256[:16]}…, the mixture was built from {file.sha256[:16]}…"
    return None


def hash_tokenizer(name: str) -> InputFile:
    """Size and hash of a tokenizer's files.

    Raises:
        TokenizerError: when it is nowhere.
    """
    num_bytes = sum(file.stat().st_size for file in tokenizer_files(name))
    return InputFile(role=TOKENIZER, path=name, bytes=num_bytes, sha256=fingerprint(name))


def key_of(bound: BoundSource, inputs: list[InputFile], options: Options) -> str:
    """A hash of inputs, parameters, options and the builders' code."""
    return _hash(
        inputs,
        source=bound.source.name,
        label=bound.block.label,
        params=bound.params,
        steps=[params_of(step) for step in bound.steps],
        limit=options.limit,
        on_bad_record=options.on_bad_record,
        plugins=[identity_of(plugin) for plugin in plugins_of(bound)],
    )


def key_by_this_code(entry: SourceEntry, overrides: dict[str, Any], *, plugins: Sequence[UsedPlugin] = ()) -> str:
    """The key that a built source of a mixture with these overrides would get from the code at hand."""
    return _hash(
        entry.inputs,
        source=entry.source,
        label=entry.name,
        params=entry.params,
        steps=entry.steps,
        limit=overrides.get("limit"),
        on_bad_record=overrides.get("on_bad_record", "fail"),
        plugins=[used_now(used) for used in plugins if entry.name in used.sources],
    )


def _hash(
    inputs: list[InputFile],
    *,
    source: str,
    label: str,
    params: dict[str, Any],
    steps: list[dict[str, dict[str, Any]]],
    limit: int | None,
    on_bad_record: OnBadRecord,
    plugins: list[tuple[str, str, str]],
) -> str:
    everything = {
        "source": source,
        "label": label,
        "params": params,
        "steps": steps,
        "limit": limit,
        "on_bad_record": on_bad_record,
        "inputs": [(file.role, file.bytes, file.sha256) for file in inputs],
        # of a text's tokens they are part of the code: what they cut differently is another row
        "libraries": [version(name) for name in ("tokenizers", "transformers")],
        "code": _code_hash(),
        "plugins": plugins,
    }
    return hashlib.sha256(msgspec.json.encode(everything, order="deterministic")).hexdigest()


@cache
def _code_hash() -> str:
    digest = hashlib.sha256()
    folders = [Path(package.__path__[0]) for package in (builders, schemas)]
    files = [path for folder in folders for path in folder.rglob("*.py") if "synthetic" not in path.parts]
    files += [Path(inspect.getfile(module)) for module in (validate, parquet)]
    # these give the ids; importing them would go round in a circle
    files += [Path(__file__).with_name(name) for name in ("source.py", "piece.py", "in_pieces.py")]
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        digest.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()
