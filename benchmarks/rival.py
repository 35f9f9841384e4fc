"""Stage 2 as one writes it with Hugging Face's Trainer alone, to be measured against."""

import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import (
    AutoConfig,
    LlavaForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from mix665k.schemas.tokenizer.load import load_tokenizer
from mix665k.trainer.data.images import load_processor, open_rgb
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.data.pixels import pad_to_square
from mix665k.trainer.model.trainable import freeze
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.launch import prepare
from mix665k.trainer.run.training_data import make_encoder

BATCH = 8
STEPS = 10
SKIPPED_STEPS = 2
"""Not measured: memory is taken and kernels are chosen in them."""


class Speed(NamedTuple):
    """What a run did after its first steps."""

    samples_per_s: float
    tokens_per_s: float


class Examples(torch.utils.data.Dataset[Any]):
    """The examples of a job, encoded by this project's encoder, images by the model's processor."""

    def __init__(self, job: Job) -> None:
        tokenizer, config = load_tokenizer(str(job.start)), AutoConfig.from_pretrained(job.start)
        self._encoder = make_encoder(tokenizer, config, job)
        self._processor = load_processor(str(job.start))
        self._rows = Mixture(job.mixture_folder)
        self._images = job.images_folder
        self._colour: Any = tuple(int(channel * 255) for channel in self._processor.image_mean)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[index]
        encoded = self._encoder.encode(row)
        pixels = None
        if row.image is not None:
            picture = pad_to_square(open_rgb(self._images / row.image), self._colour)
            pixels = self._processor(picture, return_tensors="pt")["pixel_values"]
        return {"input_ids": encoded.input_ids, "labels": encoded.labels, "pixel_values": pixels}


class Padding:
    """Pads to the longest example; counts the tokens it has seen."""

    def __init__(self, pad_id: int) -> None:
        self._fillers = {"input_ids": pad_id, "labels": -100}
        self.tokens: list[int] = []

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """The batch as the model takes it."""
        lengths = [len(example["input_ids"]) for example in examples]
        self.tokens.append(sum(lengths))
        batch: dict[str, Any] = {}
        for name, filler in self._fillers.items():
            rows = [
                np.pad(example[name], (0, max(lengths) - length), constant_values=filler)
                for example, length in zip(examples, lengths, strict=True)
            ]
            batch[name] = torch.tensor(np.stack(rows))
        batch["attention_mask"] = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
        if pixels := [example["pixel_values"] for example in examples if example["pixel_values"] is not None]:
            batch["pixel_values"] = torch.cat(pixels)
        return batch


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def train(job: Job) -> Speed:
    """Train a job's stage from the same start, with Trainer's defaults for all that it does not need."""
    shutil.rmtree(job.folder, ignore_errors=True)
    job = prepare(job)
    kind: Any = LlavaForConditionalGeneration
    model = kind.from_pretrained(job.start, dtype=torch.bfloat16 if job.stage.bf16 else torch.float32)
    model.config.use_cache = model.config.text_config.use_cache = False
    freeze(model, job.stage)
    padding, clock = Padding(model.config.pad_token_id), Clock()
    trainer = Trainer(
        model=model,
        args=_arguments(job, job.folder / "out"),
        train_dataset=Examples(job),
        data_collator=padding,
        callbacks=[clock],
    )
    trainer.train()
    seconds = clock.ends[-1] - clock.ends[SKIPPED_STEPS - 1]
    return Speed((STEPS - SKIPPED_STEPS) * BATCH / seconds, sum(padding.tokens[SKIPPED_STEPS:STEPS]) / seconds)


def _arguments(job: Job, out: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=BATCH,
        dataloader_drop_last=True,  # every step holds BATCH examples
        max_steps=STEPS,
        learning_rate=job.stage.lr,
        bf16=job.stage.bf16,
        use_cpu=True,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        remove_unused_columns=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
