"""The configuration of DeepSpeed: the shipped one of a stage's ZeRO, or one's own that agrees with the stage."""

import json
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import StageError, os_reason
from mix665k.schemas.files import regular_file
from mix665k.schemas.stage import Stage

_TRAINER = Path(__file__).parent.parent
_AUTO = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
"""Values that follow from the stage and the number of ranks; transformers fills them in."""
_OURS = {
    "optimizer": "the stage's AdamW is used",
    "scheduler": "the stage has its `schedule`",
    "checkpoint": "a run says itself how it resumes",
}
"""Sections that would take the place of what a stage says."""


def deepspeed_config(stage: Stage, *, universal: bool) -> dict[str, Any] | None:
    """What DeepSpeed is given; `universal` loads a checkpoint of another number of ranks.

    None for a stage without DeepSpeed.

    Raises:
        StageError: when the stage's own file cannot be read, or says otherwise than the stage.
    """
    if stage.zero == 0:
        for name, value, default in (("deepspeed", stage.deepspeed, None), ("offload", stage.offload, "none")):
            if value != default:
                raise StageError(f"stage {stage.name}: {name} {value} goes with DeepSpeed; say `zero: 2` or `zero: 3`")
        return None
    shipped = _TRAINER / f"zero{stage.zero}.json"
    config: dict[str, Any] = json.loads(shipped.read_text()) if stage.deepspeed is None else _own(stage)
    # Without this accelerate asks for DeepSpeed's own AdamW for the CPU, which is compiled on the machine.
    config["zero_force_ds_cpu_optimizer"] = False
    if stage.offload == "optimizer":
        config["zero_optimization"]["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if stage.accumulate == "fp32":
        config["data_types"] = {"grad_accum_dtype": "fp32"}
    if universal:
        config["checkpoint"] = {"load_universal": True}
    return config


def _own(stage: Stage) -> dict[str, Any]:
    """The stage's own file, with what must agree with the stage filled in."""
    where = f"deepspeed {stage.deepspeed}"
    config = _read(Path(str(stage.deepspeed)), where)
    for name, why in _OURS.items():
        if name in config:
            raise StageError(f"{where}: has a section {name}, but {why}; take it out")
    zero = config.setdefault("zero_optimization", {})
    if not isinstance(zero, dict):
        raise StageError(f"{where}: zero_optimization is {zero!r}, expected a mapping")
    if zero.setdefault("stage", stage.zero) != stage.zero:
        raise StageError(f"{where}: zero_optimization.stage is {zero['stage']!r}, the stage says `zero: {stage.zero}`")
    for name in _AUTO:
        if config.setdefault(name, "auto") != "auto":
            raise StageError(f'{where}: {name} is {config[name]!r}, but follows from the stage; say "auto"')
    for name, expected in (("bf16", stage.bf16), ("fp16", False)):
        section = config.get(name, {})
        enabled = section.get("enabled", "auto") if isinstance(section, dict) else section
        if enabled not in ("auto", expected) or not isinstance(section, dict):
            asked = f"the stage's `bf16: {stage.bf16}` needs {expected}"
            raise StageError(f"{where}: {name}.enabled is {enabled!r}, {asked}")
        config[name] = section | {"enabled": expected}
    return config


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        config = json.loads(regular_file(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StageError(f"{where}: {os_reason(error)}, expected DeepSpeed's JSON") from None
    except (ValueError, RecursionError) as error:
        raise StageError(f"{where}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise StageError(f"{where}: expected a JSON object, as DeepSpeed takes it")
    return config
