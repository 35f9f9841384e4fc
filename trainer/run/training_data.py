"""What a run learns from: the examples of a mixture, those held out, and what orders them."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mix665k.schemas.errors import TrainingError
from mix665k.schemas.stage import Stage
from mix665k.trainer.batching.types import Examples, Order
from mix665k.trainer.run.job import Job

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from mix665k.trainer.data.encode import Encoder
    from mix665k.trainer.data.lengths import Lengths
    from mix665k.trainer.data.mixture import Mixture
    from mix665k.trainer.data.trees import Trees

Rows = NDArray[np.int64]


class TrainingData(NamedTuple):
    """The datasets of a run; `examples` describes those of `train`, by their index in it."""

    train: "Dataset[Any]"
    held_out: "Dataset[Any] | None"
    collator: Any
    """From a list of examples to a `Batch`."""
    examples: Examples
    order: Order
    mixture_hash: str
    """The mixture's row hash."""
    sources: list[str]
    """The names of the mixture's sources."""


def open_data(job: Job) -> TrainingData:
    """The data of a job whose start model exists; lengths are computed or read from their cache.

    Raises:
        UserError: for a mixture or rows that cannot be trained on.
    """
    from torch.utils.data import Subset
    from transformers import AutoConfig

    from mix665k.schemas.tokenizer.load import load_tokenizer
    from mix665k.trainer.data.collate import Placeholders, collate
    from mix665k.trainer.data.dataset import MixtureDataset
    from mix665k.trainer.data.images import ImageLoader, load_processor
    from mix665k.trainer.data.lengths import lengths
    from mix665k.trainer.data.mixture import Mixture

    stage = job.stage
    mixture = Mixture(job.mixture_folder)
    tokenizer, config = load_tokenizer(str(job.start)), AutoConfig.from_pretrained(job.start, trust_remote_code=False)
    encoder = make_encoder(tokenizer, config, job)
    found = lengths(mixture, encoder, jobs=os.cpu_count() or 1)
    train, held_out = split_rows(found, job, mixture=mixture)
    trees = trees_of(job, mixture, encoder)
    processor = load_processor(str(job.start))
    loader = ImageLoader(
        job.images_folder,
        processor,
        mode=stage.image,
        on_bad=job.on_bad_image,
        speed=stage.image_path,
        background=stage.background,
    )
    dataset, other = (
        MixtureDataset(
            rows,
            encoder=encoder,
            images=loader,
            filler_id=tokenizer.pad_token_id,
            aliases=None if trees is None else trees.aliases,
        )
        for rows in (mixture, Mixture(Path(job.eval_mixture or job.mixture)))
    )
    if job.eval_mixture is not None:
        held_out = eval_rows(job, encoder)
    placeholders = Placeholders(
        pad_id=tokenizer.pad_token_id,
        image_token_id=config.image_token_id,
        tokens_per_image=config.image_seq_length,
        image_px=loader.image_px,
    )
    return TrainingData(
        train=Subset(dataset, train.tolist()),
        held_out=Subset(other, held_out.tolist()) if len(held_out) else None,
        collator=partial(collate, mode=stage.batching, placeholders=placeholders),
        examples=examples_of(found, train, stage=stage, mixture=mixture, trees=trees),
        order=order_of(stage),
        mixture_hash=mixture.row_hash,
        sources=[entry.name for entry in mixture.manifest.sources],
    )


def trees_of(job: Job, mixture: "Mixture", encoder: "Encoder") -> "Trees | None":
    """Which records share a picture, where the job's stage makes use of it.

    Raises:
        UserError: when a row cannot be encoded.
    """
    from mix665k.trainer.data.trees import find_trees

    if job.stage.batching != "shared_images":
        return None
    jobs = os.cpu_count() or 1
    return find_trees(mixture, encoder, share=job.stage.share, images=job.images_folder, jobs=jobs)


def examples_of(
    found: "Lengths", rows: Rows, *, stage: Stage, mixture: "Mixture", trees: "Trees | None" = None
) -> Examples:
    """What a stage's batching must know of these rows."""
    return Examples(
        lengths=found.tokens[rows],
        has_image=found.has_image[rows],
        words=mixture.words()[rows] if stage.batching == "llava_grouped" else None,
        trees=None if trees is None else trees.numbers[rows],
        shared=None if trees is None else trees.shared[rows],
    )


def order_of(stage: Stage) -> Order:
    """How a stage orders an epoch."""
    return Order(
        mode=stage.batching,
        window=stage.window,
        remainder=stage.remainder,
        seed=stage.seed,
        max_branches=stage.max_branches,
    )


def make_encoder(tokenizer: Any, config: Any, job: Job) -> "Encoder":
    """The encoder of a job's stage, for the tokenizer and the configuration of the model it starts from."""
    from mix665k.trainer.data.encode import Encoder

    return Encoder(
        tokenizer,
        job.stage.template,
        image_token_id=config.image_token_id,
        tokens_per_image=config.image_seq_length,
        max_tokens=job.stage.max_tokens,
    )


def eval_rows(job: Job, encoder: "Encoder") -> Rows:
    """The numbers of the rows of a job's other mixture whose loss is measured: those with a label.

    Raises:
        TrainingError: when there is none, or rows of the job's own mixture are held out too.
    """
    from mix665k.trainer.data.lengths import lengths
    from mix665k.trainer.data.mixture import Mixture

    assert job.eval_mixture is not None, job
    if job.stage.eval_fraction:
        raise TrainingError(
            f"--eval-mixture {job.eval_mixture}: eval_fraction {job.stage.eval_fraction} holds rows out too; give one"
        )
    found = lengths(Mixture(Path(job.eval_mixture)), encoder, jobs=os.cpu_count() or 1)
    rows = np.flatnonzero(found.supervised > 0)
    if not len(rows):
        raise TrainingError(
            f"--eval-mixture {job.eval_mixture}: no row has a label within {job.stage.max_tokens:,} tokens"
        )
    return rows


def split_rows(found: "Lengths", job: Job, *, mixture: "Mixture") -> tuple[Rows, Rows]:
    """The numbers of the rows to train on, and of those held out: every k-th, so that each source is among them.

    Raises:
        TrainingError: when a row has no label and such rows are not dropped.
    """
    unlabelled = np.flatnonzero(found.supervised == 0)
    if len(unlabelled) and job.stage.on_unlabelled == "fail":
        raise TrainingError(
            f"{job.mixture}: {len(unlabelled):,} rows have no label within max_tokens {job.stage.max_tokens:,}, "
            f"the first is {mixture[int(unlabelled[0])].id}; raise max_tokens or --set on_unlabelled=drop"
        )
    rows = np.flatnonzero(found.supervised > 0)
    if not job.stage.eval_fraction:
        return rows, rows[:0]
    step = max(2, round(1 / job.stage.eval_fraction))
    held = np.arange(len(rows)) % step == step - 1
    return rows[~held], rows[held]
