"""From a checkpoint to a model that anybody loads: canonical llava-hf weights, processor, chat template and card."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import TrainingError
from trainer.adapters import add_adapters, merge_adapters
from trainer.checkpoint import WEIGHTS, Complete, checkpoints, read_complete
from trainer.job import JOB, Job, read_job
from trainer.model import PARTS, load

if TYPE_CHECKING:
    from torch import Tensor


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
    """All weights of a checkpoint in float32, by the names they have in the model that was trained."""
    from safetensors.torch import load_file

    if job.stage.zero == 0:
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
    model = kind.from_pretrained(job.start, dtype=torch.float32)
    if job.stage.lora is not None:
        add_adapters(model, job.stage.lora)
    model.load_state_dict(trained_weights(checkpoint, job), strict=True)
    if job.stage.lora is not None:
        merge_adapters(model)
    return model


def export(path: Path, out: Path) -> Path:
    """Write the model of a checkpoint, or of a run's newest, to a folder; gives the checkpoint.

    Raises:
        TrainingError: when there is no complete checkpoint, or the folder holds something.
    """
    import torch
    from transformers import AutoProcessor

    checkpoint, done = find_checkpoint(path)
    job = job_of(checkpoint)
    if out.exists() and any(out.iterdir()):
        raise TrainingError(f"{out}: not empty; name another --out")
    model = load_trained(checkpoint)
    model.to(torch.bfloat16 if job.stage.bf16 else torch.float32)
    model.config.use_cache = model.config.text_config.use_cache = True
    model.save_pretrained(out)
    load(AutoProcessor.from_pretrained, str(job.start), "a processor").save_pretrained(out)
    (out / "README.md").write_text(model_card(job, done))
    return checkpoint


def write_projector(path: Path, out: Path) -> Path:
    """Write only the projector of a checkpoint, for the stage that follows."""
    from safetensors.torch import save_file

    checkpoint, _ = find_checkpoint(path)
    prefix = PARTS["projector"]
    weights = trained_weights(checkpoint, job_of(checkpoint))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}, out)
    return out


def push_to_hub(folder: Path, repository: str) -> str:
    """Upload an exported model; the token is the hub's own login or HF_TOKEN.

    Raises:
        TrainingError: when the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api = HfApi()
        api.create_repo(repository, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=folder).repo_url)
    except (HfHubHTTPError, OSError, ValueError) as error:
        why = " ".join(str(error).split())[:300]
        raise TrainingError(f"{repository}: cannot be pushed: {why}; `hf auth login`, and is the name yours?") from None


def model_card(job: Job, done: Complete) -> str:
    """What the model is and what it was trained on."""
    stage = job.stage
    rows = "\n".join(f"| {name} | {getattr(stage, name)} |" for name in stage.__struct_fields__ if name != "name")
    return f"""---
library_name: transformers
pipeline_tag: image-text-to-text
base_model: [{job.llm}, {job.vision}]
---

# LLaVA-1.5, stage {stage.name}

Put together from `{job.llm}` and `{job.vision}`, trained for {done.step:,} steps on {done.ranks} rank(s).

Mixture: `{Path(job.mixture).name}`, row hash `{done.mixture}`.

| hyper-parameter | value |
|---|---|
{rows}

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("path/to/this/folder")
processor = AutoProcessor.from_pretrained("path/to/this/folder")
```
"""
