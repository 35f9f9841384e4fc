"""Stages on disk: the paper's two by name, others by path, with single values overridden."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from schemas.errors import StageError
from schemas.stage import Stage
from schemas.template import TEMPLATES

FOLDER = Path(__file__).parent / "stages"


def load_stage(name: str, overrides: Sequence[str] = ()) -> Stage:
    """The stage of a shipped name or a YAML file, with overrides such as `lr=1e-3` or `lora.r=64`.

    Raises:
        StageError: for a file that is not there, an unknown field or a value of the wrong type.
    """
    path = FOLDER / f"{name}.yaml"
    path = path if path.is_file() else Path(name)
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(one.stem for one in FOLDER.glob("*.yaml")))
        raise StageError(f"stage {name}: {(error.strerror or str(error)).lower()}; shipped are {shipped}") from None
    except yaml.YAMLError as error:
        raise StageError(f"stage {path}: not YAML: {' '.join(str(error).split())}") from None
    for override in overrides:
        _override(content, override)
    try:
        stage = msgspec.convert(content, Stage, strict=False)
    except msgspec.ValidationError as error:
        why, _, at = str(error).replace("`", "").partition(" - at ")
        where = _override_at(at or why.rpartition(" ")[2], overrides) or f"stage {path}: {at or '$'}"
        raise StageError(f"{where}: {why[:1].lower()}{why[1:]}{_nearest(why)}{_choices(at)}") from None
    if stage.template not in (*TEMPLATES, "chat"):
        raise StageError(
            f"stage {path}: $.template: no template {stage.template!r}, expected chat or one of {', '.join(TEMPLATES)}"
        )
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


def _override(content: Any, override: str) -> None:
    """Set one value in place; the text behind `=` is YAML."""
    name, equals, text = override.partition("=")
    if not equals or not isinstance(content, dict):
        raise StageError(f"--set {override}: expected NAME=VALUE, such as lr=1e-3")
    *groups, last = name.strip().split(".")
    for group in groups:
        if not isinstance(content.get(group), dict):
            content[group] = {}
        content = content[group]
    value = yaml.safe_load(text)
    content[last] = _number(value) if isinstance(value, str) else value


def _number(text: str) -> float | str:
    """YAML reads `1e-3` as text; a person means a number."""
    try:
        return float(text)
    except ValueError:
        return text


def _nearest(why: str) -> str:
    unknown = why.rpartition(" ")[2] if "unknown field" in why else ""
    close = difflib.get_close_matches(unknown, Stage.__struct_fields__, n=1) if unknown else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _override_at(place: str, overrides: Sequence[str]) -> str | None:
    """The last override that set what is wrong, as it was typed."""
    field = re.split(r"[.\[]", place.removeprefix("$."))[0]
    setting = [one for one in overrides if one.partition("=")[0].strip().split(".")[0] == field]
    return f"--set {setting[-1]}" if setting else None


def _choices(at: str) -> str:
    """The values that a field takes, where they can be counted."""
    field = at.removeprefix("$.").partition("[")[0]
    schema = msgspec.json.schema(Stage)["$defs"]["Stage"]["properties"].get(field, {})
    kinds = schema.get("anyOf", [schema.get("items", schema)])
    values = ["true", "false"] if {"type": "boolean"} in kinds else []
    values += [str(value) for one in kinds for value in one.get("enum", ())]
    return f"; expected one of {', '.join(values)}" if "enum" in str(kinds) else ""
