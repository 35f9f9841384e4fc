"""What an epoch costs in one order or another, told without a GPU: `train plan`."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mix665k.schemas.errors import StageError
from mix665k.trainer.batching.baselines import plan_llava, plan_random
from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.types import (
    EMPTY,
    Examples,
    Integers,
    Layout,
    Mode,
    Order,
    Plan,
    load_of,
    measure,
    tokens_at,
)
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.lengths import lengths
from mix665k.trainer.data.mixture import Mixture


class Setting(NamedTuple):
    """What is simulated: the examples, how many words and which source each has, and how batches lie on ranks."""

    examples: Examples
    words: Integers
    sources: Integers
    layout: Layout
    seed: int
    window: int


class Outlook(msgspec.Struct):
    """What one order costs; tokens, places and shares over the whole epoch."""

    order: str
    steps: int
    padding: float
    """Share of places that hold no token."""
    imbalance: float
    """Places of the slowest ranks over those of the mean ones; `1 / (1 - padding)` times this is `ratio`."""
    cost: int
    """Places of the slowest rank, summed over micro-steps: what the epoch's time follows."""
    ratio: float
    """Cost over the ideal, which has no padding and equal ranks."""
    sources_per_step: float
    """The exponential of the entropy of a global batch's sources: how many equally frequent ones would mix as well."""
    heaviest: int
    """Places of the largest micro-batch."""
    one_modality: float
    """Share of global batches with or without images altogether."""


def layout_of(batch: int, *, ranks: int, per_device_batch: int) -> Layout:
    """A global batch on so many ranks.

    Raises:
        StageError: when it does not come out.
    """
    per_step = ranks * per_device_batch
    if batch % per_step:
        raise StageError(
            f"--batch {batch}: no multiple of --per-device-batch {per_device_batch} x {ranks} ranks = {per_step}; "
            "change one of the three"
        )
    return Layout(ranks, batch // per_step, per_device_batch)


def setting_of(mixture: Mixture, encoder: Encoder, *, layout: Layout, seed: int, window: int, jobs: int) -> Setting:
    """The setting that a mixture gives with one tokenizer and template.

    Rows without any label are left out; how many is told on stderr.

    Raises:
        UserError: when a row cannot be encoded.
    """
    found = lengths(mixture, encoder, jobs=jobs)
    kept = np.flatnonzero(found.supervised > 0)
    if left_out := len(mixture) - len(kept):
        row = "1 row has no label and is" if left_out == 1 else f"{left_out:,} rows have no label and are"
        print(f"{mixture.folder}: {row} left out; a higher --max-tokens may help", file=sys.stderr)
    _, sources = np.unique(np.array(mixture.sources), return_inverse=True)
    examples = Examples(found.tokens[kept], found.has_image[kept])
    return Setting(examples, mixture.words()[kept], sources[kept].astype(np.int64), layout, seed, window)


def outlooks(setting: Setting) -> list[Outlook]:
    """Random order, LLaVA's, and the two of a stage's `batching`."""
    layout, seed = setting.layout, setting.seed
    num_examples = len(setting.examples.lengths)
    plans: list[tuple[str, Plan, Mode]] = [
        ("random", plan_random(num_examples, layout=layout, seed=seed), "grouped"),
        (
            "LLaVA's grouping",
            plan_llava(setting.words, setting.examples.has_image, layout=layout, seed=seed),
            "grouped",
        ),
    ]
    modes: tuple[Mode, ...] = ("grouped", "padding_free")
    for mode in modes:
        order = Order(mode, setting.window, "short", seed)
        plans.append((mode, plan_epoch(setting.examples, layout=layout, order=order, epoch=0), mode))
    return [outlook(name, plan, setting, mode=mode) for name, plan, mode in plans]


def outlook(name: str, plan: Plan, setting: Setting, *, mode: Mode) -> Outlook:
    """What a plan costs where batches are padded (`grouped`) or not."""
    cost = measure(plan, lengths=setting.examples.lengths, mode=mode)
    batches = plan.steps.reshape(len(plan.steps), -1)
    with_image = np.where(batches == EMPTY, 0, setting.examples.has_image[batches]).sum(axis=1)
    return Outlook(
        order=name,
        steps=len(plan.steps),
        padding=1 - cost.real / cost.padded,
        imbalance=cost.imbalance,
        cost=cost.slowest,
        ratio=cost.ratio,
        sources_per_step=_effective(batches, setting.sources),
        heaviest=int(load_of(tokens_at(plan.steps, setting.examples.lengths), mode=mode).max()),
        one_modality=float(np.mean((with_image == 0) | (with_image == (batches != EMPTY).sum(axis=1)))),
    )


def _effective(batches: Integers, sources: Integers) -> float:
    """The mean over global batches [S, G] of the exponential of the entropy of their sources."""
    number = int(sources.max()) + 1
    step = np.repeat(np.arange(len(batches)), batches.shape[1])[batches.ravel() != EMPTY]
    cells = step * number + sources[batches.ravel()[batches.ravel() != EMPTY]]
    counts = np.bincount(cells, minlength=len(batches) * number).reshape(len(batches), number)
    shares = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return float(np.exp(-(shares * logs).sum(axis=1)).mean())


def to_json(found: list[Outlook]) -> str:
    """The whole as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def print_outlooks(console: Console, found: list[Outlook]) -> None:
    """A table, and how the orders compare in time."""
    numbers = ("padding", "imbalance", "cost / ideal", "sources a step", "heaviest", "one modality")
    table = Table(box=SIMPLE_HEAD, collapse_padding=True)
    table.add_column("order", no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", min_width=max(len(word) for word in title.split()))
    for one in found:
        values = (f"{one.padding:.1%}", f"{one.imbalance:.2f}", f"{one.ratio:.3f}", f"{one.sources_per_step:.1f}")
        table.add_row(one.order, *values, f"{one.heaviest:,}", f"{one.one_modality:.0%}")
    console.print(table)
    random, llava, *ours = found
    console.print(f"LLaVA's grouping against random order: {random.cost / llava.cost:.2f}x as fast", highlight=False)
    for one in ours:
        console.print(f"{one.order} against LLaVA's grouping: {llava.cost / one.cost:.2f}x as fast", highlight=False)


def require_drawable(path: Path) -> None:
    """Refuse a place where no picture can be written.

    Raises:
        StageError: with what was expected.
    """
    if path.suffix != ".png" or not path.parent.is_dir():
        raise StageError(f"--png {path}: expected a name that ends in .png, in a folder that is there")


def draw_outlooks(found: list[Outlook], path: Path) -> None:
    """A bar for each order: tokens, padding and waiting in multiples of the ideal.

    Raises:
        OSError: when the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes: Any = figure.subplots()
    names = [one.order for one in found]
    parts = {"tokens": [1.0] * len(found), "padding": [], "waiting for the slowest rank": []}
    for one in found:
        padded = 1 / (1 - one.padding)
        parts["padding"].append(padded - 1)
        parts["waiting for the slowest rank"].append(max(one.ratio - padded, 0))
    left = np.zeros(len(found))
    for (label, widths), colour in zip(parts.items(), ("#2b6cb0", "#cbd5e0", "#ed8936"), strict=True):
        axes.barh(names, widths, left=left, label=label, color=colour)
        left = left + widths
    for name, one in zip(names, found, strict=True):
        axes.text(one.ratio + 0.02, name, f"{one.ratio:.2f}", va="center")
    axes.set(xlabel="places computed by the slowest rank, 1 = the ideal", xlim=(0, max(left) * 1.12))
    axes.invert_yaxis()
    axes.legend(loc="lower right", frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
