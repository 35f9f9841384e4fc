"""From a checkpoint to a model that anybody loads: canonical llava-hf weights, processor, chat template and card."""

import io
import pickle
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mix665k.schemas.errors import TrainingError
from mix665k.schemas.hub import File, Owned, Pushed, Target, push
from mix665k.trainer.model.adapters import add_adapters, merge_adapters
from mix665k.trainer.model.compose import PARTS, load
from mix665k.trainer.run.checkpoint import WEIGHTS, Complete, checkpoints, read_complete
from mix665k.trainer.run.job import JOB, Job, read_job

if TYPE_CHECKING:
    from torch import Tensor

_CARD = "README.md"
_HERE = "path/to/this/folder"
"""Stands in a card for the repository that it is not in yet."""


def find_checkpoint(path: Path) -> tuple[Path, Complete]:
    """A complete checkpoint: the folder itself, or the newest of a run.

    Raises:
        TrainingError: when there is none.
    """
    if done := read_complete(path):
        return path, done
    found = checkpoints(path)
    if not found:
        raise TrainingError(f"{path}: no complete checkpoint here; expected a run's folder or one of its checkpoint-N")
    return found[-1]


def job_of(checkpoint: Path) -> Job:
    """The job whose run wrote a checkpoint."""
    return read_job(checkpoint.parent / JOB)


def trained_weights(checkpoint: Path, job: Job) -> "dict[str, Tensor]":
    """All weights of a checkpoint in float32, by the names they have in the model that was trained.

    Raises:
        TrainingError: when a file of it is missing or damaged.
    """
    from safetensors import SafetensorError

    try:
        return _read_weights(checkpoint, zero=job.stage.zero)
    except (SafetensorError, pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, LookupError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        others = [path for path, _ in checkpoints(checkpoint.parent) if path != checkpoint]
        advice = f"name {others[-1]}, or train on from it with --resume" if others else "train again to another --out"
        raise TrainingError(f"{checkpoint}: its weights cannot be read: {why[:200]}; {advice}") from None


def _read_weights(checkpoint: Path, *, zero: int) -> "dict[str, Tensor]":
    from safetensors.torch import load_file

    if zero == 0:
        plain: dict[str, Tensor] = load_file(checkpoint / WEIGHTS)
        return {name: value.float() for name, value in plain.items()}
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # it tells each file it opens
        found: dict[str, Tensor] = get_fp32_state_dict_from_zero_checkpoint(str(checkpoint))
    return found


def load_trained(checkpoint: Path) -> Any:
    """The model of a checkpoint in the type its start was saved in, adapters merged."""
    import torch
    from transformers import LlavaForConditionalGeneration

    job = job_of(checkpoint)
    kind: Any = LlavaForConditionalGeneration
    model = load(partial(kind.from_pretrained, dtype=torch.float32), str(job.start), "a LLaVA model")
    if job.stage.lora is not None:
        add_adapters(model, job.stage.lora, seed=job.stage.seed)
    model.load_state_dict(trained_weights(checkpoint, job), strict=True)
    if job.stage.lora is not None:
        merge_adapters(model)
    return model


def export(path: Path, out: Path) -> Path:
    """Write the model of a checkpoint, or of a run's newest, to a folder, its card last; gives the checkpoint.

    A folder that holds this very model stays as it is, so that a push that failed can be asked for again.

    Raises:
        TrainingError: when there is no complete and whole checkpoint, or the folder holds something else.
    """
    import torch
    from transformers import AutoProcessor

    checkpoint, done = find_checkpoint(path)
    job = job_of(checkpoint)
    card = model_card(job, done)
    if out.exists() and any(out.iterdir()):
        if (out / _CARD).is_file() and (out / _CARD).read_text(encoding="utf-8") == card:
            return checkpoint
        raise TrainingError(f"{out}: not empty; name another --out")
    model = load_trained(checkpoint)
    model.to(torch.bfloat16 if job.stage.bf16 else torch.float32)
    model.config.use_cache = model.config.text_config.use_cache = True
    for part in (model.config.text_config, model.config.vision_config):
        if Path(part._name_or_path).is_absolute():  # a place on this machine, of no use elsewhere
            part._name_or_path = ""
    model.save_pretrained(out)
    load(AutoProcessor.from_pretrained, str(job.start), "a processor").save_pretrained(out)
    (out / _CARD).write_text(card, encoding="utf-8")
    return checkpoint


def write_projector(path: Path, out: Path) -> Path:
    """Write only the projector of a checkpoint, for the stage that follows.

    Raises:
        TrainingError: when there is no complete and whole checkpoint.
    """
    from safetensors.torch import save_file

    checkpoint, _ = find_checkpoint(path)
    prefix = PARTS["projector"]
    weights = trained_weights(checkpoint, job_of(checkpoint))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}, out)
    return out


def push_model(folder: Path, target: Target) -> Pushed:
    """Publish an exported model in one commit, behind what is there; the same model again changes nothing.

    Raises:
        HubError: when the Hub cannot be reached or refuses.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [File(path.relative_to(folder).as_posix(), path) for path in paths if path != folder / _CARD]
    card = (folder / _CARD).read_text(encoding="utf-8").replace(_HERE, target.repository)
    title = card.partition("\n# ")[2].partition("\n")[0]
    return push(
        [*files, File(_CARD, card.encode())], target, message=f"Publish {title}", owned=Owned(("model*.safetensors",))
    )


def model_card(job: Job, done: Complete) -> str:
    """What the model is and what it was trained on."""
    stage = job.stage
    llm, vision = (Path(name).name if Path(name).is_absolute() else name for name in (job.llm, job.vision))
    bases = [name for name in (job.llm, job.vision) if not Path(name).is_absolute()]
    front = {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["llava"]}
    front |= {"base_model": bases} if bases else {}
    rows = "\n".join(f"| {name} | {getattr(stage, name)} |" for name in stage.__struct_fields__ if name != "name")
    return f"""---
{yaml.safe_dump(front, sort_keys=False)}---

# LLaVA-1.5, stage {stage.name}, step {done.step:,}

Put together from `{llm}` and `{vision}`, trained for {done.step:,} steps on {done.ranks} rank(s).

Mixture: `{Path(job.mixture).name}`, row hash `{done.mixture}`.

| hyper-parameter | value |
|---|---|
{rows}

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("{_HERE}")
processor = AutoProcessor.from_pretrained("{_HERE}")
```
"""
