"""Stages on disk: the paper's two by name, others by path, with single values overridden."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mix665k.schemas.errors import StageError, did_you_mean
from mix665k.schemas.handwritten import parse_yaml, read_handwritten
from mix665k.schemas.stage import Evaluate, Lora, Stage
from mix665k.schemas.template import AUTO, CHAT, TEMPLATES, Template, is_jinja
from mix665k.trainer.batching.types import Layout

FOLDER = Path(__file__).parent.parent / "stages"
_SET = "NAME=VALUE, such as lr=1e-3"
_LINES = "lines of NAME: VALUE, such as lr: 1e-3"


def shipped() -> list[str]:
    """The names of the stages that come with the package."""
    return sorted(one.stem for one in FOLDER.glob("*.yaml"))


def load_stage(name: str, overrides: Sequence[str] = (), *, base: str | None = None) -> Stage:
    """The stage of a shipped name or a YAML file, with overrides such as `lr=1e-3` or `lora.r=64`.

    A file needs to hold only what differs from the shipped stage that it names as its `base`; from `base` if it names
    none.

    Raises:
        StageError: for a file that cannot be read or is no stage, an unknown field or a value of the wrong type.
    """
    path = FOLDER / f"{name}.yaml"
    path = path if path.is_file() else Path(name)
    content = _read(path, name)
    if path.parent != FOLDER:
        content = _on_base(content, base, where=f"stage {path}")
    _read_template(content, folder=path.parent, where=f"stage {path}")
    for override in overrides:
        _override(content, override)
    _read_template(content, folder=Path(), where=f"--set template={content.get('template')}")
    try:
        stage = msgspec.convert(content, Stage, strict=False)
    except msgspec.ValidationError as error:
        why, _, at = str(error).replace("`", "").partition(" - at ")
        field = f"{at}.{why.rpartition(' ')[2]}" if " field " in why else at.removeprefix("key in ")
        where = _blamed_override(field, overrides) or f"stage {path}: {at or '$'}"
        raise StageError(f"{where}: {why[:1].lower()}{why[1:]}{_nearest(why, at)}{_choices(at)}") from None
    known = (AUTO, CHAT, *TEMPLATES)
    if isinstance(stage.template, str) and not is_jinja(stage.template) and stage.template not in known:
        where = _blamed_override("template", overrides) or f"stage {path}: $.template"
        raise StageError(f"{where}: no template {stage.template!r}, expected one of {', '.join(known)}, or FILE.jinja")
    # the ranks of other machines may run in another folder
    if stage.deepspeed is not None:
        stage = msgspec.structs.replace(stage, deepspeed=str(Path(stage.deepspeed).resolve()))
    if stage.evaluate is not None:
        stage = msgspec.structs.replace(stage, evaluate=_absolute(stage.evaluate))
    return stage


def _absolute(asked: Evaluate) -> Evaluate:
    """With paths that do not depend on the working folder."""
    own = (".yaml", ".yml")
    names = [str(Path(name).resolve()) if name.endswith(own) else name for name in asked.benchmarks]
    data, images = (str(Path(folder).resolve()) for folder in (asked.data, asked.images))
    return msgspec.structs.replace(asked, benchmarks=names, data=data, images=images)


def _on_base(content: dict[str, Any], base: str | None, *, where: str) -> dict[str, Any]:
    """A file's values, and those of its base for what it does not say."""
    named = content.pop("base", base)
    if named is not None and named not in shipped():
        raise StageError(f"{where}: $.base: no shipped stage {named!r}, expected one of {', '.join(shipped())}")
    return content if named is None else _read(FOLDER / f"{named}.yaml", named) | content


def _read_template(content: dict[str, Any], *, folder: Path, where: str) -> None:
    """Put the text of a template in Jinja in place of its file's path, so that a job needs no other file."""
    name = content.get("template")
    if not isinstance(name, str) or not name.endswith(".jinja"):
        return
    text = read_handwritten(folder / name, kind=StageError, where=f"{where}: template {folder / name}")
    if not is_jinja(text):
        raise StageError(f"{where}: template {folder / name}: no Jinja in it, expected what renders `messages`")
    content["template"] = text


def layout_of(stage: Stage, *, ranks: int) -> Layout:
    """How a stage's global batch is laid out on so many ranks.

    Raises:
        StageError: with the numbers, when it cannot be shared out evenly.
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
    accumulation = stage.global_batch // per_step
    return Layout(ranks=ranks, accumulation=accumulation, per_device_batch=stage.per_device_batch)


def _read(path: Path, name: str) -> dict[str, Any]:
    """The mapping in a stage's file."""
    if not path.is_file():
        shipped = ", ".join(sorted(one.stem for one in FOLDER.glob("*.yaml")))
        raise StageError(f"stage {name}: no such file or directory; shipped are {shipped}")
    text = read_handwritten(path, kind=StageError, where=f"stage {path}")
    content = parse_yaml(text, kind=StageError, where=f"stage {path}", expected=_LINES)
    if not isinstance(content, dict):
        raise StageError(f"stage {path}: {'empty' if content is None else 'no mapping'}, expected {_LINES}")
    return content


def _override(content: dict[str, Any], override: str) -> None:
    """Set one value in place; the text after `=` is YAML."""
    name, equals, text = override.partition("=")
    *groups, last = _parts(name)
    if not equals or not all((*groups, last)):
        raise StageError(f"--set {override}: expected {_SET}")
    for group in groups:
        if not isinstance(content.get(group), dict):
            content[group] = {}
        content = content[group]
    value = parse_yaml(text, kind=StageError, where=f"--set {override}", expected=_SET)
    content[last] = _number(value) if isinstance(value, str) else value


def _parts(name: str) -> list[str]:
    return [part.strip() for part in name.split(".")]


def _number(text: str) -> float | str:
    """YAML reads `1e-3` as text; a person means a number."""
    try:
        return float(text)
    except ValueError:
        return text


def _nearest(why: str, at: str) -> str:
    """For an unknown field the one that was meant, else all there are."""
    if "unknown field" not in why:
        return ""
    form = {"$.lora": Lora, "$.evaluate": Evaluate, "$.template": Template}.get(at, Stage)
    return did_you_mean(why.rpartition(" ")[2], form.__struct_fields__)


def _blamed_override(field: str, overrides: Sequence[str]) -> str | None:
    """The last override that set the faulty field, or a group that it is in, as it was typed."""
    fault = re.sub(r"^\$?\.|\[.*", "", field).split(".")
    names = [_parts(one.partition("=")[0]) for one in overrides]
    setting = [one for one, name in zip(overrides, names, strict=True) if name[: len(fault)] == fault[: len(name)]]
    return f"--set {setting[-1]}" if setting else None


def _choices(at: str) -> str:
    """The values that a field takes, where there are few."""
    field = at.removeprefix("$.").partition("[")[0]
    schema = msgspec.json.schema(Stage)["$defs"]["Stage"]["properties"].get(field, {})
    kinds = schema.get("anyOf", [schema.get("items", schema)])
    values = ["true", "false"] if {"type": "boolean"} in kinds else []
    values += [str(value) for one in kinds for value in one.get("enum", ())]
    return f"; expected one of {', '.join(values)}" if "enum" in str(kinds) else ""
