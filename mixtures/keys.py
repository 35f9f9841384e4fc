"""The key of a built source: equal keys mean that building again would give the same rows."""

import hashlib
import inspect
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

import builders
import schemas
from builders.bind import BoundSource
from builders.tokens import fingerprint
from mixtures import check, store
from mixtures.plan import Options, params_of
from mixtures.store import file_hash
from schemas.manifest import InputFile


def hash_inputs(bound: BoundSource, raw: Path) -> list[InputFile]:
    """Size and SHA-256 of each raw file a source reads."""
    hashes: dict[Path, str] = {}
    inputs = []
    for role, path in bound.files.items():
        if path not in hashes:
            hashes[path] = file_hash(path)
        name = path.relative_to(raw).as_posix() if path.is_relative_to(raw) else path.name
        inputs.append(InputFile(role, name, path.stat().st_size, hashes[path]))
    return inputs


def key_of(bound: BoundSource, inputs: list[InputFile], options: Options) -> str:
    """A hash of inputs, parameters, options and the builders' code."""
    steps = [params_of(step) for step in bound.steps]
    facts = {
        "source": bound.source.name,
        "label": bound.block.label,
        "inputs": [(file.role, file.sha256) for file in inputs],
        "params": bound.params,
        "steps": _with_contents(steps),
        "limit": options.limit,
        "on_bad_record": options.on_bad_record,
        "code": _code_hash(),
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()


def _with_contents(value: Any) -> Any:
    """Parameters with what they name instead of its name: the tokenizer's files, the hash of an id file."""
    if isinstance(value, list):
        return [_with_contents(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_contents(item) for key, item in value.items()}
    if isinstance(found.get("tokenizer"), str):
        found["tokenizer"] = [fingerprint(found["tokenizer"]), version("tokenizers"), version("transformers")]
    if isinstance(found.get("ids_from"), str):
        found["ids_from"] = file_hash(Path(found["ids_from"]))
    return found


@cache
def _code_hash() -> str:
    digest = hashlib.sha256()
    folders = [Path(package.__path__[0]) for package in (builders, schemas)]
    files = [path for folder in folders for path in folder.glob("*.py")]
    files += [Path(inspect.getfile(module)) for module in (check, store)]
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        digest.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()
