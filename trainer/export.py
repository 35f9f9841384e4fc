"""`train export`: from a checkpoint to a model that anyone can load.

A folder of canonical llava-hf weights, the processor, the chat template and, written last, a card.
"""

from pathlib import Path

import yaml

from mix665k.schemas.errors import TrainingError
from mix665k.schemas.files import write_whole
from mix665k.trainer.model.adapters import write_adapters
from mix665k.trainer.model.files import write_model
from mix665k.trainer.model.loading import load
from mix665k.trainer.run.checkpoint import Complete, find_checkpoint
from mix665k.trainer.run.job import Job, job_of
from mix665k.trainer.run.weights import load_trained, trained_weights

CARD = "README.md"
NO_REPOSITORY = "path/to/this/folder"
"""In a card that was not published yet: replaced by the repository's name."""


def export(path: Path, out: Path) -> Path:
    """Write the model of a checkpoint, or of a run's newest, to a folder; gives the checkpoint.

    A folder that holds this very model already is left as it is.

    Raises:
        TrainingError: when there is no complete checkpoint, it is damaged, or the folder holds something else.
        ModelError: when the model that the run started from cannot be loaded.
        OSError: when the folder cannot be written.
    """
    import torch
    from transformers import AutoProcessor

    checkpoint, done = find_checkpoint(path)
    job = job_of(checkpoint)
    card = model_card(job, done)
    if out.exists() and any(out.iterdir()):
        if (out / CARD).is_file() and (out / CARD).read_text(encoding="utf-8") == card:
            return checkpoint
        raise TrainingError(f"{out}: not empty; name another --out")
    model = load_trained(checkpoint)
    model.to(torch.bfloat16 if job.stage.bf16 else torch.float32)
    model.config.use_cache = model.config.text_config.use_cache = True
    for part in (model.config.text_config, model.config.vision_config):
        if Path(part._name_or_path).is_absolute():  # a folder of this machine, of no use elsewhere
            part._name_or_path = ""
    write_model(model, out)
    load(AutoProcessor.from_pretrained, str(job.start), "a processor").save_pretrained(out)
    write_whole(out / CARD, card)
    return checkpoint


def export_adapters(path: Path, out: Path) -> Path:
    """Write the adapters and the projector of a checkpoint, apart from the model they belong to; gives the checkpoint.

    Raises:
        TrainingError: when there is no complete checkpoint, it is damaged or has no adapters, or the folder is not
            empty.
        OSError: when the folder cannot be written.
    """
    checkpoint, _ = find_checkpoint(path)
    job = job_of(checkpoint)
    if job.stage.lora is None:
        raise TrainingError(f"{checkpoint}: was trained without adapters; export it without --adapters")
    if out.exists() and any(out.iterdir()):
        raise TrainingError(f"{out}: not empty; name another --out")
    write_adapters(trained_weights(checkpoint, job), out, stage=job.stage, start=str(job.start))
    return checkpoint


def model_card(job: Job, done: Complete) -> str:
    """What the model is and what it was trained on, in Markdown with the Hub's front matter."""
    stage = job.stage
    origins = (job.llm, job.vision) if job.llm else (str(job.model),)  # of a model that is continued, its parts may
    names = " and ".join(f"`{Path(one).name if Path(one).is_absolute() else one}`" for one in origins)  # be unknown
    bases = [one for one in origins if not Path(one).is_absolute()]
    front = {"library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["llava"]}
    front |= {"base_model": bases} if bases else {}
    rows = "\n".join(f"| {name} | {getattr(stage, name)} |" for name in stage.__struct_fields__ if name != "name")
    return f"""---
{yaml.safe_dump(front, sort_keys=False)}---

# LLaVA-1.5, stage {stage.name}, step {done.step:,}

Made of {names}, trained for {done.step:,} steps on {done.ranks} rank(s).

Mixture: `{Path(job.mixture).name}`, row hash `{done.mixture}`.

| hyper-parameter | value |
|---|---|
{rows}

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("{NO_REPOSITORY}")
processor = AutoProcessor.from_pretrained("{NO_REPOSITORY}")
```
"""
