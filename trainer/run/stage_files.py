"""Stages on disk: the paper's two by name, others by path, with single values overridden."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mix665k.schemas.errors import StageError, os_reason
from mix665k.schemas.stage import Lora, Stage
from mix665k.schemas.template import TEMPLATES

FOLDER = Path(__file__).parent.parent / "stages"
_SET = "NAME=VALUE, such as lr=1e-3"
_LINES = "lines of NAME: VALUE, such as lr: 1e-3"


def load_stage(name: str, overrides: Sequence[str] = ()) -> Stage:
    """The stage of a shipped name or a YAML file, with overrides such as `lr=1e-3` or `lora.r=64`.

    Raises:
        StageError: for a file that is not there or no stage, an unknown field or a value of the wrong type.
    """
    path = FOLDER / f"{name}.yaml"
    path = path if path.is_file() else Path(name)
    content = _read(path, name)
    for override in overrides:
        _override(content, override)
    try:
        stage = msgspec.convert(content, Stage, strict=False)
    except msgspec.ValidationError as error:
        why, _, at = str(error).replace("`", "").partition(" - at ")
        where = _override_at(_place(why, at), overrides) or f"stage {path}: {at or '$'}"
        raise StageError(f"{where}: {why[:1].lower()}{why[1:]}{_nearest(why, at)}{_choices(at)}") from None
    if stage.template not in (*TEMPLATES, "chat"):
        where = _override_at("template", overrides) or f"stage {path}: $.template"
        raise StageError(f"{where}: no template {stage.template!r}, expected chat or one of {', '.join(TEMPLATES)}")
    return stage


def accumulation(stage: Stage, *, ranks: int) -> int:
    """Micro-batches per optimizer step, so that the global batch comes out.

    Raises:
        StageError: with the numbers, when it does not.
    """
    per_step = stage.per_device_batch * ranks
    if stage.global_batch % per_step:
        fitting = [n for n in range(1, stage.global_batch + 1) if stage.global_batch % (n * ranks) == 0]
        advice = (
            f"--set per_device_batch={min(fitting, key=lambda n: abs(n - stage.per_device_batch))}"
            if fitting
            else "another --nproc"
        )
        raise StageError(
            f"stage {stage.name}: global_batch {stage.global_batch} is no multiple of per_device_batch "
            f"{stage.per_device_batch} x {ranks} ranks = {per_step}; try {advice}"
        )
    return stage.global_batch // per_step


def _read(path: Path, name: str) -> dict[str, Any]:
    """What a stage's file holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        shipped = ", ".join(sorted(one.stem for one in FOLDER.glob("*.yaml")))
        raise StageError(f"stage {name}: {os_reason(error)}; shipped are {shipped}") from None
    except UnicodeDecodeError as error:
        raise StageError(f"stage {path}: not UTF-8 at byte {error.start:,}, expected {_LINES}; save it anew") from None
    content = _parse(text, f"stage {path}", expected=_LINES)
    if not isinstance(content, dict):
        raise StageError(f"stage {path}: {'empty' if content is None else 'no mapping'}, expected {_LINES}")
    return content


def _parse(text: str, where: str, *, expected: str) -> Any:
    """What YAML says; PyYAML lets errors of Python pass where a tag does not fit its value, and for deep nesting."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise StageError(f"{where}: not YAML, expected {expected}: {' '.join(str(error).split())}") from None


def _override(content: dict[str, Any], override: str) -> None:
    """Set one value in place; the text behind `=` is YAML."""
    name, equals, text = override.partition("=")
    *groups, last = _parts(name)
    if not equals or not all((*groups, last)):
        raise StageError(f"--set {override}: expected {_SET}")
    for group in groups:
        if not isinstance(content.get(group), dict):
            content[group] = {}
        content = content[group]
    value = _parse(text, f"--set {override}", expected=_SET)
    content[last] = _number(value) if isinstance(value, str) else value


def _parts(name: str) -> list[str]:
    return [part.strip() for part in name.split(".")]


def _number(text: str) -> float | str:
    """YAML reads `1e-3` as text; a person means a number."""
    try:
        return float(text)
    except ValueError:
        return text


def _place(why: str, at: str) -> str:
    """Where the fault is, down to the field that is unknown or missing."""
    return f"{at}.{why.rpartition(' ')[2]}" if " field " in why else at.removeprefix("key in ")


def _nearest(why: str, at: str) -> str:
    """For an unknown field the one that was meant, else all there are."""
    if "unknown field" not in why:
        return ""
    fields = (Lora if at == "$.lora" else Stage).__struct_fields__
    close = difflib.get_close_matches(why.rpartition(" ")[2], fields, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(fields)}"


def _override_at(place: str, overrides: Sequence[str]) -> str | None:
    """The last override that set what is wrong, as it was typed."""
    fault = re.sub(r"^\$?\.|\[.*", "", place).split(".")
    names = [_parts(one.partition("=")[0]) for one in overrides]
    setting = [one for one, name in zip(overrides, names, strict=True) if name[: len(fault)] == fault[: len(name)]]
    return f"--set {setting[-1]}" if setting else None


def _choices(at: str) -> str:
    """The values that a field takes, where they can be counted."""
    field = at.removeprefix("$.").partition("[")[0]
    schema = msgspec.json.schema(Stage)["$defs"]["Stage"]["properties"].get(field, {})
    kinds = schema.get("anyOf", [schema.get("items", schema)])
    values = ["true", "false"] if {"type": "boolean"} in kinds else []
    values += [str(value) for one in kinds for value in one.get("enum", ())]
    return f"; expected one of {', '.join(values)}" if "enum" in str(kinds) else ""
