"""The weights of a checkpoint, and the model they make."""

import io
import pickle
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix665k.schemas.errors import TrainingError, one_line
from mix665k.schemas.files import replacing
from mix665k.schemas.stage import Stage
from mix665k.trainer.model.adapters import add_adapters, merge_adapters
from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.model.loading import load
from mix665k.trainer.model.trainable import freeze
from mix665k.trainer.run.checkpoint import checkpoints, find_checkpoint
from mix665k.trainer.run.job import Job, job_of

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "weights.safetensors"
"""All weights of a run without DeepSpeed, in its checkpoints."""


def load_trained(checkpoint: Path) -> Any:
    """The model of a checkpoint in float32, adapters merged.

    Raises:
        ModelError: when the model that the run started from cannot be loaded.
        TrainingError: when a file of the checkpoint is missing or damaged.
    """
    import torch
    from transformers import LlavaForConditionalGeneration

    job = job_of(checkpoint)
    kind: Any = LlavaForConditionalGeneration
    model = load(partial(kind.from_pretrained, dtype=torch.float32), str(job.start), "a LLaVA model")
    if job.stage.lora is not None:
        freeze(model, job.stage)
        add_adapters(model, job.stage.lora, seed=job.stage.seed)
    load_weights_of_run(model, trained_weights(checkpoint, job), stage=job.stage)
    if job.stage.lora is not None:
        merge_adapters(model)
    return model


def weights_to_save(model: Any, stage: Stage) -> "dict[str, Tensor]":
    """The weights that a checkpoint without DeepSpeed holds: all, or what learns where the rest is quantised."""
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    kept = model.state_dict()
    if _saves_all(stage):
        return dict(kept)
    return {name: value for name, value in kept.items() if name in learning}


def load_weights_of_run(model: Any, weights: "dict[str, Tensor]", *, stage: Stage) -> None:
    """Load what `weights_to_save` gave into a model with the same adapters, quantised or not.

    Raises:
        RuntimeError: when names or shapes are others.
    """
    found = model.load_state_dict(weights, strict=_saves_all(stage))
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if wrong := [*found.unexpected_keys, *(learning & set(found.missing_keys))]:
        raise RuntimeError(f"{len(wrong)} weights do not fit, the first is {wrong[0]}")


def _saves_all(stage: Stage) -> bool:
    return stage.lora is None or stage.lora.bits is None


def write_projector(path: Path, out: Path) -> Path:
    """Write only the projector of a checkpoint, or of a run's newest, for the stage that follows; gives `out`.

    Raises:
        TrainingError: when there is no complete checkpoint, or it is damaged.
        OSError: when `out` cannot be written.
    """
    from safetensors.torch import save_file

    checkpoint, _ = find_checkpoint(path)
    prefix = PARTS["projector"]
    weights = trained_weights(checkpoint, job_of(checkpoint))
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as part:
        save_file({name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}, part)
    return out


def trained_weights(checkpoint: Path, job: Job) -> "dict[str, Tensor]":
    """All weights of a checkpoint in float32, by the names they have in the model that was trained.

    Raises:
        TrainingError: when a file of it is missing or damaged.
    """
    from safetensors import SafetensorError

    try:
        return _read_weights(checkpoint, zero=job.stage.zero)
    except (SafetensorError, pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, LookupError) as error:
        why = one_line(error)
        others = [path for path, _ in checkpoints(checkpoint.parent) if path != checkpoint]
        advice = f"name {others[-1]}, or resume from it with --resume" if others else "train again to another --out"
        raise TrainingError(f"{checkpoint}: its weights cannot be read: {why[:200]}; {advice}") from None


def _read_weights(checkpoint: Path, *, zero: int) -> "dict[str, Tensor]":
    from safetensors.torch import load_file

    if zero == 0:
        plain: dict[str, Tensor] = load_file(checkpoint / WEIGHTS)
        return {name: value.float() for name, value in plain.items()}
    # DeepSpeed's checkpoint holds the only copy. Trainer would save another under ZeRO-3, with other names, which
    # doubles the disk that a checkpoint takes.
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # it prints each file it opens
        found: dict[str, Tensor] = get_fp32_state_dict_from_zero_checkpoint(str(checkpoint))
    return found
