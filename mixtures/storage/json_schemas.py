"""The JSON Schemas of everything that crosses a boundary, generated from the types.

`python -m mix665k.mixtures.storage.json_schemas` writes them; a test compares.
"""

import types
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import mix665k.builders  # noqa: F401, registers the sources
from mix665k import schemas
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.schemas.conversation import Record
from mix665k.schemas.manifest import Manifest
from mix665k.schemas.recipe import Extension, Recipe

FOLDER = Path(schemas.__file__).parent
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def contracts() -> dict[str, dict[str, Any]]:
    """File name below `schemas/`: JSON Schema."""
    own = {"conversation": Record, "recipe": Recipe, "extension": Extension, "manifest": Manifest}
    found = {f"{name}.schema.json": _schema(form, name) for name, form in own.items()}
    for source in SOURCES.values():
        for file in source.about.files:
            name = f"{source.name}.{file.role.replace('/', '.')}"
            found[f"raw/{name}.schema.json"] = _schema(_whole(file), name)
    return found


def _whole(file: RawFile) -> Any:
    """The type of a whole raw file; of a pickle, that of what it holds."""
    records = types.GenericAlias(list, (file.form,))
    if file.at in ("[]", "pickle"):
        return records
    if file.at == "{}":
        return types.GenericAlias(dict, (str, file.form))
    return msgspec.defstruct(f"{file.form.__name__}File", [(file.at, records)])


def _schema(form: Any, title: str) -> dict[str, Any]:
    return {"$schema": _DIALECT, "title": title, **msgspec.json.schema(form)}


@cache
def conversation_schema() -> dict[str, Any]:
    """The published schema of one row."""
    content: dict[str, Any] = msgspec.json.decode((FOLDER / "conversation.schema.json").read_bytes())
    return content


def write() -> None:
    """Write all schema files."""
    for name, schema in contracts().items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")


if __name__ == "__main__":
    write()
