"""What storage derives from the sources' declarations: published counts, schemas, shipped recipes."""

import json
from pathlib import Path

import jsonschema
import pytest

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.storage import json_schemas
from mix665k.mixtures.storage.extending import resolve
from mix665k.mixtures.storage.json_schemas import contracts, conversation_schema
from mix665k.mixtures.storage.published_counts import (
    ALL_RECORDS,
    LOOKALIKES,
    RECORDS,
    STAGE_1,
    Audit,
    audit_source,
    has_all,
)
from mix665k.mixtures.storage.recipes import find_recipe, load_recipe, shipped
from mix665k.schemas.errors import RecipeError

PUBLISHED = {
    "llava_instruct": (157_712, 157_711),
    "vqav2": (82_783, 240_494),
    "okvqa": (8_998, 249_492),
    "aokvqa": (66_160, 315_652),
    "refcoco": (48_447, 364_099),
    "vg": (86_417, 450_516),
    "gqa": (72_140, 522_656),
    "ocrvqa": (80_000, 602_656),
    "textcaps": (21_953, 624_609),
    "sharegpt": (40_688, 665_297),
}
"""Records of llava_v1_5_mix665k.json, and the position of the last one."""


def test_the_records_of_the_published_file_are_those_of_its_sources() -> None:
    assert list(RECORDS.items()) == [(name, count) for name, (count, _) in PUBLISHED.items()]
    assert sum(RECORDS.values()) == ALL_RECORDS == 665_298
    assert STAGE_1 == {"lcs558k": 558_128}


def test_only_sources_that_a_published_file_has_are_audited() -> None:
    assert audit_source("gqa", 72_000) == Audit(72_140, -140)
    assert audit_source("lcs558k", 558_129) == Audit(558_128, 1)
    assert audit_source("mine", 5) is None


def test_sources_that_look_alike_have_one_name_together() -> None:
    assert LOOKALIKES == {"coco, short answer": ("vqav2", "okvqa")}
    assert has_all(set(RECORDS))
    assert not has_all(set(RECORDS) | {"mine"})
    assert not has_all(set(RECORDS) - {"vqav2"})


def test_a_raw_file_is_described_as_the_whole_that_it_is() -> None:
    described, places = contracts(), set()
    for source in SOURCES.values():
        for file in source.about.files:
            schema = described[f"raw/{source.name}.{file.role.replace('/', '.')}.schema.json"]
            valid = jsonschema.Draft202012Validator(schema).is_valid
            expected = {"[]": (True, False, False), "pickle": (True, False, False), "{}": (False, True, False)}
            found = (valid([]), valid({}), valid({file.at: []}) and not valid({}))
            assert found == expected.get(file.at, (False, False, True)), (source.name, file.role)
            places.add(file.at)
    assert {"[]", "pickle", "{}"} < places


def test_all_schemas_are_written_with_the_columns_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_schemas, "FOLDER", tmp_path)
    json_schemas.write()
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")}
    assert names == set(contracts())
    assert json.loads((tmp_path / "conversation.schema.json").read_text()) == conversation_schema()
    [title, dialect] = [conversation_schema()[key] for key in ("title", "$schema")]
    assert (title, dialect) == ("conversation", "https://json-schema.org/draft/2020-12/schema")


def test_every_shipped_recipe_can_be_found_and_loaded() -> None:
    assert {"llava-v1.5-mix665k", "llava-v1.5-pretrain558k", "tiny"} <= set(shipped())
    for name in shipped():
        assert resolve(find_recipe(name)).recipe.name == name


def test_the_recipe_of_the_published_file_has_its_order_and_ends_where_it_does() -> None:
    recipe = load_recipe(find_recipe("llava-v1.5-mix665k").read_text(encoding="utf-8"), where="shipped")
    expected = {block.source: block.expect for block in recipe.sources}
    assert [(name, (one.count, one.last_position)) for name, one in expected.items() if one] == list(PUBLISHED.items())


def test_a_recipe_is_a_shipped_name_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny").touch()
    assert find_recipe("tiny").name == "tiny.yaml"
    Path("mine.yaml").touch()
    assert find_recipe("mine.yaml") == Path("mine.yaml")
    with pytest.raises(RecipeError, match="recipe tiney: neither a file nor a shipped recipe; did you mean 'tiny'"):
        find_recipe("tiney")
    Path("folder").mkdir()
    with pytest.raises(RecipeError, match="recipe folder: neither a file nor"):
        find_recipe("folder")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: x\nsources: [{source: gqa}]\nmore: 1\n", r"\$: .*more"),
        ("name: 5\nsources: [{source: gqa}]\n", r"\$\.name: expected .*str.*, got .*int"),
        ("name: x\nsources: [{source: gqa, steps: 5}]\n", r"\$\.sources\[0\]\.steps: "),
    ],
)
def test_a_fault_of_a_recipe_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(RecipeError, match=rf"^mine\.yaml, line \d+, column \d+: (?i:{place})") as raised:
        load_recipe(text, where="mine.yaml")
    assert "\n" not in str(raised.value)
