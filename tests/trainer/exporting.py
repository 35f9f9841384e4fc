"""Runs that never trained, for tests of what becomes of their checkpoints."""

from pathlib import Path
from typing import Any

from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_model import make_start

DEFAULT = {"pretrain": (), "finetune": ("template=v1",)}
"""What `auto` means for a language model without a chat template."""


def untrained_run(
    folder: Path, *, llm: Path, vision: Path, stage: str = "finetune", sets: tuple[str, ...] = ()
) -> Path:
    """A run whose only checkpoint holds the weights that it started from, in float32."""
    from safetensors.torch import save_file
    from transformers import LlavaForConditionalGeneration

    settings = load_stage(stage, ["zero=0", "bf16=false", *DEFAULT[stage], *sets])
    job = Job(stage=settings, mixture="/m", images="/i", llm=str(llm), vision=str(vision), out=str(folder))
    make_start(job)
    write_job(job)
    kind: Any = LlavaForConditionalGeneration
    model = kind.from_pretrained(job.start)
    checkpoint = folder / "checkpoint-1"
    checkpoint.mkdir()
    weights = {name: value.float().clone() for name, value in model.state_dict().items()}
    save_file(weights, checkpoint / "weights.safetensors")
    mark_complete(checkpoint, Complete(step=1, ranks=1, mixture="a" * 64, stage=settings.name))
    return folder
