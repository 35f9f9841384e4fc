"""The fields of a stage, in words: for `train stages` and the documentation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mix665k.schemas.errors import StageError, did_you_mean
from mix665k.schemas.stage import Evaluate, Lora, Stage
from mix665k.trainer.run.stage_files import FOLDER, load_stage, shipped

MEANINGS = Path(__file__).parent.parent / "stage_fields.yaml"
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


class Field(NamedTuple):
    """A value of a stage; `name` is what `--set` takes, `meaning` what the schema says of it."""

    name: str
    kind: str
    meaning: str
    default: str
    """Empty where a stage must say it."""


def fields() -> list[Field]:
    """The fields of a stage, those of LoRA and of evaluation after the others."""
    plain = [field for field in _fields(Stage, "") if field.name not in ("lora", "evaluate")]
    return [*plain, *_fields(Lora, "lora."), *_fields(Evaluate, "evaluate.")]


def field_meanings() -> dict[str, str]:
    """What the fields mean of which the schema says nothing, in a few words written by hand."""
    content: dict[str, str] = yaml.safe_load(MEANINGS.read_text(encoding="utf-8"))
    return content


def meaning_of(field: Field) -> str:
    """In a few words."""
    return field.meaning or field_meanings()[field.name]


def value_of(stage: dict[str, Any], name: str) -> str:
    """A field's value in a stage, as YAML has it."""
    group, _, inner = name.rpartition(".")
    return _text((stage[group] or {}).get(inner) if group else stage[name])


def describe_stages(console: Console, name: str | None) -> None:
    """Print the shipped stages and every field with its default, or with its value in the stage of this name.

    Raises:
        StageError: when no stage of this name is shipped.
    """
    if name is not None and name not in shipped():
        raise StageError(f"{name}: no such stage{did_you_mean(name, shipped())}")
    for one in shipped() if name is None else [name]:
        console.print(Text.assemble((one, "bold cyan"), f"  {_first_line(one)}"), soft_wrap=True)
    stage = None if name is None else msgspec.to_builtins(load_stage(name))
    table = Table(box=SIMPLE_HEAD)
    for column in ("field", name or "default", "value", "meaning"):
        table.add_column(column, overflow="fold")
    for field in fields():
        shown = field.default if stage is None else value_of(stage, field.name)
        table.add_row(field.name, shown or "required", field.kind.replace("`", ""), meaning_of(field).replace("`", ""))
    console.print(table)


class ListedField(msgspec.Struct):
    """A field of a stage; `value` is its default, or its value in the stage that was named; null if required."""

    name: str
    kind: str
    meaning: str
    value: str | None


class ListedStages(msgspec.Struct):
    """The shipped stages, or the one that was named, and every field."""

    stages: dict[str, str]
    """Names and what each is."""
    fields: list[ListedField]


def list_stages(name: str | None) -> ListedStages:
    """What `describe_stages` prints, for programs.

    Raises:
        StageError: when no stage of this name is shipped.
    """
    if name is not None and name not in shipped():
        raise StageError(f"{name}: no such stage{did_you_mean(name, shipped())}")
    stage = None if name is None else msgspec.to_builtins(load_stage(name))
    listed = []
    for field in fields():
        value = field.default if stage is None else value_of(stage, field.name)
        listed.append(
            ListedField(field.name, kind=field.kind.replace("`", ""), meaning=meaning_of(field), value=value or None)
        )
    return ListedStages({one: _first_line(one) for one in (shipped() if name is None else [name])}, listed)


def _first_line(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _fields(form: type, prefix: str) -> Iterator[Field]:
    for name, field in msgspec.json.schema(form)["$defs"][form.__name__]["properties"].items():
        default = _text(field["default"]) if "default" in field else ""
        meaning = str(field.get("description", ""))
        yield Field(name=f"{prefix}{name}", kind=_word(field), meaning=meaning, default=default)


def _word(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_word(one) for one in schema["anyOf"] if "$ref" not in one)
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_word(schema['items'] or schema['prefixItems'][0])}"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "none",
    }
    bounds = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([words[schema["type"]], *bounds])


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value).lower()
