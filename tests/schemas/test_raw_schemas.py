"""The fixtures, and the real excerpts where they are, agree with the published schemas of raw files."""

import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import mix665k.builders  # noqa: F401, registers the sources
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.mixtures.storage.json_schemas import FOLDER

FIXTURES = Path(__file__).parents[1] / "fixtures" / "raw"
EXCERPTS = Path(__file__).parents[3] / "shared" / "data" / "raw"
OTHERS = {"gqa": "gqa/testdev_balanced_questions.json", "aokvqa": "aokvqa/aokvqa_v1p0_val.json"}
FILES = [(source.name, file) for source in SOURCES.values() for file in source.about.files]
LABELS = [f"{source}.{file.role}" for source, file in FILES]


def _content(path: Path, file: RawFile) -> Any:
    if file.at == "pickle":
        return pickle.loads(path.read_bytes(), encoding="latin1")
    return json.loads(path.read_bytes())


def _validator(source: str, file: RawFile) -> Any:
    name = f"raw/{source}.{file.role.replace('/', '.')}.schema.json"
    return jsonschema_rs.validator_for(json.loads((FOLDER / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(("source", "file"), FILES, ids=LABELS)
def test_a_fixture_agrees_with_the_schema_of_its_file(source: str, file: RawFile) -> None:
    _validator(source, file).validate(_content(FIXTURES / file.path, file))


@pytest.mark.skipif(not EXCERPTS.is_dir(), reason=f"the real excerpts are not at {EXCERPTS}")
@pytest.mark.parametrize(("source", "file"), FILES, ids=LABELS)
def test_a_real_excerpt_agrees_with_the_schema_of_its_file(source: str, file: RawFile) -> None:
    if source == "llava_json":
        pytest.skip("people's own files have no excerpt")
    _validator(source, file).validate(_content(EXCERPTS / OTHERS.get(source, file.path), file))


@pytest.mark.parametrize(("source", "file"), FILES, ids=LABELS)
def test_the_schema_of_a_file_refuses_another(source: str, file: RawFile) -> None:
    validator = _validator(source, file)

    assert not validator.is_valid("text")
    assert not validator.is_valid({"a": {}} if file.at == "{}" else [{}] if file.at in ("[]", "pickle") else {})
