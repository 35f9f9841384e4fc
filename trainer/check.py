"""`train check`: everything that can be known about a run without a GPU."""

import math
import os

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mix665k.schemas.manifest import HELD_OUT
from mix665k.schemas.terminal import open_console
from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.types import Examples, Layout, Plan, load_of, measure, tokens_at
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.lengths import Lengths, lengths
from mix665k.trainer.data.mixture import Mixture
from mix665k.trainer.model.cost import estimate
from mix665k.trainer.model.language import end_ids_of
from mix665k.trainer.model.quantized import require_bits
from mix665k.trainer.model.summary import summarise
from mix665k.trainer.run.deepspeed_config import deepspeed_config
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.launch import image_names, require_attention
from mix665k.trainer.run.stage_files import layout_of
from mix665k.trainer.run.start_model import parts_of, require_trainable
from mix665k.trainer.run.templates import settle_template
from mix665k.trainer.run.training_data import eval_rows, examples_of, make_encoder, order_of, split_rows, trees_of

Rows = list[tuple[str, str]]
SHOWN_FAULTS = 10


class UnusableImage(msgspec.Struct):
    """An image that is missing or cannot be decoded."""

    image: str
    why: str


class Audit(msgspec.Struct):
    """What is known about a run before it starts."""

    findings: dict[str, str]
    unusable_images: list[UnusableImage]
    stops: bool
    """Whether a run would stop at one of these images."""


def check(job: Job, *, ranks: int, has_weights: bool = True) -> Audit:
    """Audit a run.

    Without `has_weights` models may be folders of configurations alone.

    Raises:
        UserError: for a mixture, stage or rows that cannot be trained on.
    """
    layout = layout_of(job.stage, ranks=ranks)
    deepspeed_config(job.stage, universal=False)  # raises for what does not agree with the stage
    require_attention(job.stage)
    require_bits(job.stage)
    images = image_names(job)
    job = settle_template(job)
    stage = job.stage
    processor, model = require_trainable(job, has_weights=has_weights)
    mixture = Mixture(job.mixture_folder)
    encoder = make_encoder(processor.tokenizer, model.config, job)
    found = lengths(mixture, encoder, jobs=os.cpu_count() or 1)
    train, held_out = split_rows(found, job, mixture=mixture)
    trees = trees_of(job, mixture, encoder)
    examples = examples_of(found, train, stage=stage, mixture=mixture, trees=trees)
    plan = plan_epoch(examples, layout=layout, order=order_of(stage), epoch=0)
    loads = load_of(plan.steps, examples, mode=stage.batching)
    labels = tokens_at(plan.steps, found.supervised[train]).sum(axis=-1)
    memory = estimate(model, stage, ranks=ranks, tokens=int(loads.max()), labels=int(labels.max()))
    parts = ", ".join(f"{name} {value / 1e9:,.1f}" for name, value in memory._asdict().items())
    end_ids = end_ids_of(processor.tokenizer.name_or_path)
    rows = [("starts from", parts_of(job))]
    rows += summarise(model, stage, encoder=encoder, tokenizer=processor.tokenizer, end_ids=end_ids)
    rows += _data_rows(mixture, found, job)
    rows += _control_rows(mixture, encoder)
    if job.eval_mixture is not None:
        held_out = eval_rows(job, encoder)
    rows += [("train / held out", f"{len(train):,} / {len(held_out):,} records")]
    rows += _eval_rows(job, mixture)
    rows += _plan_rows(plan, examples, job=job, layout=layout)
    rows += [("memory of a rank", f"about {memory.total / 1e9:,.1f} GB ({parts})")]
    faults = [UnusableImage(name, why) for name, why in _image_faults(images, job)]
    rows += [("images", f"{len(images):,}, {len(faults):,} of them unusable")]
    return Audit(dict(rows), faults, stops=bool(faults) and job.on_bad_image == "fail")


def to_json(found: Audit) -> str:
    """One JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def print_audit(console: Console, found: Audit) -> None:
    """Print a table, and the first of the images that cannot be used."""
    table = Table(box=SIMPLE_HEAD, show_header=False)
    for row in found.findings.items():
        table.add_row(*row)
    console.print(table)
    for one in found.unusable_images[:SHOWN_FAULTS]:
        console.print(f"  {one.image}: {one.why}", highlight=False, soft_wrap=True)
    if (more := len(found.unusable_images) - SHOWN_FAULTS) > 0:
        console.print(f"  … and {more:,} more", highlight=False)


def _data_rows(mixture: Mixture, found: Lengths, job: Job) -> Rows:
    tokens, learned = int(found.tokens.sum()), int(found.supervised.sum())
    cut = int((found.tokens_cut > 0).sum())
    return [
        ("mixture", f"{mixture.manifest.name}, {len(mixture):,} records, row hash {mixture.row_hash[:16]}"),
        ("tokens", f"{tokens:,}, {learned / tokens:.1%} of them learned"),
        ("longest", f"{found.tokens.max():,} of {job.stage.max_tokens:,} tokens, mean {found.tokens.mean():,.0f}"),
        ("cut by max_tokens", f"{cut:,} records, {int(found.answers_cut.sum()):,} answers"),
        ("without a label", f"{int((found.supervised == 0).sum()):,} records"),
    ]


def _eval_rows(job: Job, mixture: Mixture) -> Rows:
    """Of which mixture loss is measured, where that is another one or could be."""
    if job.eval_mixture is not None:
        return [("held out in", f"{job.eval_mixture}, loss by source every {job.stage.eval_steps:,} steps")]
    if mixture.manifest.held_out is not None and not job.stage.eval_fraction:
        return [("held out in", f"nothing: what the recipe holds out is not in {mixture.folder / HELD_OUT}")]
    return []


def _control_rows(mixture: Mixture, encoder: Encoder) -> Rows:
    """Questions and answers that hold a special token as text: it becomes the token, as with LLaVA."""
    found = mixture.records_with(encoder.special_tokens)
    listed = ", ".join(f"{text!r} in {number:,} records" for text, number in found.items())
    return [("special tokens in texts", listed)] if found else []


def _plan_rows(plan: Plan, examples: Examples, *, job: Job, layout: Layout) -> Rows:
    cost = measure(plan, examples, mode=job.stage.batching)
    steps = math.ceil(len(plan.steps) * job.stage.epochs)
    if job.stage.max_steps is not None:
        steps = min(steps, job.stage.max_steps)
    numbers = f"{layout.per_device_batch} each x {layout.accumulation} x {layout.ranks} ranks"
    return [
        ("global batch", f"{layout.global_batch} = {numbers}"),
        ("steps", f"{steps:,}; an epoch has {len(plan.steps):,}"),
        ("padding", f"{1 - cost.real / cost.computed:.1%}; cost {cost.ratio:.3f} of the ideal"),
    ]


def _image_faults(names: list[str], job: Job) -> list[tuple[str, str]]:
    """Those of the images that are missing or cannot be decoded, and why."""
    from mix665k.trainer.data.images import find_faults

    console = open_console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("decoding images", total=len(names))
        jobs = os.cpu_count() or 1
        found = find_faults(job.images_folder, names, decode=True, jobs=jobs, on_done=lambda: progress.advance(task))
        return list(found)
