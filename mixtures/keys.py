"""The key of a built source: equal keys mean that building again would give the same rows."""

import hashlib
import inspect
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

import builders
import schemas
from builders.bind import BoundSource
from builders.tokens import fingerprint, tokenizer_files
from mixtures import check, store
from mixtures.plan import Options, named_by, params_of
from mixtures.store import file_hash
from schemas.manifest import InputFile


def hash_inputs(bound: BoundSource, raw: Path) -> list[InputFile]:
    """Size and SHA-256 of all that a source and its steps read: raw files, id files, tokenizers."""
    inputs: dict[Path, InputFile] = {}
    found = []
    for role, path in [*bound.files.items(), *(("ids_from", Path(name)) for name in named_by(bound.steps, "ids_from"))]:
        if path not in inputs:
            name = path.relative_to(raw).as_posix() if path.is_relative_to(raw) else path.name
            inputs[path] = InputFile(role, name, path.stat().st_size, file_hash(path))
        found.append(msgspec.structs.replace(inputs[path], role=role))
    for name in named_by(bound.steps, "tokenizer"):
        size = sum(file.stat().st_size for file in tokenizer_files(name))
        found.append(InputFile("tokenizer", name, size, fingerprint(name)))
    return found


def key_of(bound: BoundSource, inputs: list[InputFile], options: Options) -> str:
    """A hash of inputs, parameters, options and the builders' code."""
    facts = {
        "source": bound.source.name,
        "label": bound.block.label,
        "inputs": [(file.role, file.sha256) for file in inputs],
        "params": bound.params,
        "steps": [params_of(step) for step in bound.steps],
        "limit": options.limit,
        "on_bad_record": options.on_bad_record,
        "libraries": [version(name) for name in ("tokenizers", "transformers")],
        "code": _code_hash(),
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()


@cache
def _code_hash() -> str:
    digest = hashlib.sha256()
    folders = [Path(package.__path__[0]) for package in (builders, schemas)]
    files = [path for folder in folders for path in folder.glob("*.py")]
    files += [Path(inspect.getfile(module)) for module in (check, store)]
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        digest.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()
