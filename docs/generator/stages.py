"""The stage reference: every field, what it means, and its values in the paper's two stages."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import yaml

from docs.generator.tables import block, table
from mix665k.schemas.stage import Lora, Stage
from mix665k.trainer.run.stage_files import FOLDER, load_stage

PAPERS = ("pretrain", "finetune")
SHIPPED = (*PAPERS, "llava-exact-pretrain", "llava-exact-finetune")
MEANINGS = FOLDER.parents[1] / "docs" / "train" / "stage_fields.yaml"


class Field(NamedTuple):
    """A value of a stage; `name` is what `--set` takes, `meaning` what the schema says of it."""

    name: str
    kind: str
    meaning: str


def stage_table(what: str) -> str:
    """`values`: all fields with their meaning and values; a stage's name: its file, verbatim."""
    if what != "values":
        path = FOLDER / f"{what}.yaml"
        return block("yaml", path.read_text(encoding="utf-8"), title=f"trainer/stages/{path.name}")
    by_hand = field_meanings()
    stages = [msgspec.to_builtins(load_stage(name)) for name in PAPERS]
    rows = [
        [
            f"`{field.name}`",
            field.meaning or by_hand[field.name],
            field.kind,
            *(_value(stage, field.name) for stage in stages),
        ]
        for field in fields()
    ]
    return table(["field", "meaning", "value", *PAPERS], rows)


def field_meanings() -> dict[str, str]:
    """What the fields mean of which the schema says nothing, in a few words written by hand."""
    content: dict[str, str] = yaml.safe_load(MEANINGS.read_text(encoding="utf-8"))
    return content


def fields() -> list[Field]:
    """The fields of a stage, those of LoRA behind the others."""
    plain = [field for field in _fields(Stage, "") if field.name != "lora"]
    return [*plain, *_fields(Lora, "lora.")]


def _fields(form: type, prefix: str) -> Iterator[Field]:
    schema = msgspec.json.schema(form)
    for name, field in schema["$defs"][form.__name__]["properties"].items():
        yield Field(f"{prefix}{name}", _word(field), str(field.get("description", "")))


def _word(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_word(one) for one in schema["anyOf"] if "$ref" not in one)
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_word(schema['items'])}"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "none",
    }
    bounds = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([words[schema["type"]], *bounds])


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _value(stage: dict[str, Any], name: str) -> str:
    group, _, inner = name.rpartition(".")
    value = (stage[group] or {}).get(inner) if group else stage[name]
    if value is None:
        return "none"
    return ", ".join(value) if isinstance(value, list) else str(value).lower()
