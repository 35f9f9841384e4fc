"""The published JSON Schemas are those of the types."""

import json

import jsonschema
import pytest

from mix665k.mixtures.storage.json_schemas import FOLDER, contracts


@pytest.mark.parametrize("name", sorted(contracts()))
def test_a_schema_file_is_that_of_its_type(name: str) -> None:
    assert json.loads((FOLDER / name).read_text(encoding="utf-8")) == contracts()[name], (
        "run python -m mix665k.mixtures.storage.json_schemas"
    )


def test_every_schema_file_is_of_a_type() -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.schema.json")}

    assert there == set(contracts())


@pytest.mark.parametrize("name", sorted(contracts()))
def test_a_schema_file_is_a_sound_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(contracts()[name])
