"""A stage as the arguments of Hugging Face's Trainer."""

from typing import TYPE_CHECKING

from mix665k.trainer.batching.types import Layout
from mix665k.trainer.run.deepspeed_config import deepspeed_config
from mix665k.trainer.run.job import Job

if TYPE_CHECKING:
    from transformers import TrainingArguments


def training_arguments(job: Job, layout: Layout, *, universal: bool) -> "TrainingArguments":
    """Every value comes from the stage or the job; nothing is left to a default that could change the run."""
    import torch
    from transformers import TrainingArguments

    stage = job.stage
    evaluates = stage.eval_fraction > 0 or job.eval_mixture is not None
    return TrainingArguments(
        output_dir=job.out,
        per_device_train_batch_size=stage.per_device_batch,
        per_device_eval_batch_size=stage.per_device_batch,
        gradient_accumulation_steps=layout.accumulation,
        num_train_epochs=stage.epochs,
        max_steps=stage.max_steps or -1,
        learning_rate=stage.lr,
        lr_scheduler_type=stage.schedule,
        warmup_steps=stage.warmup_ratio,
        weight_decay=stage.weight_decay,
        max_grad_norm=stage.max_grad_norm,
        optim="adamw_torch",
        bf16=stage.bf16,
        tf32=True if stage.tf32 and _has_tf32() else None,  # Trainer ends where the GPU has none, or there is none
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,  # Trainer knows the whole model only; `make_trainable` does it by part
        logging_steps=stage.log_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=stage.save_steps,
        save_total_limit=None,  # the loop removes older ones, once the newest is complete
        eval_strategy="steps" if evaluates else "no",
        eval_steps=stage.eval_steps if evaluates else None,
        seed=stage.seed,
        data_seed=stage.seed,
        dataloader_num_workers=stage.workers,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=job.report_to,
        deepspeed=deepspeed_config(stage, universal=universal),
    )


def _has_tf32() -> bool:
    """Whether the GPU is of Ampere's kind or newer."""
    import torch

    return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8
