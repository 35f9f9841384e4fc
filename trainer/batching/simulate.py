"""What an epoch costs in random order, in LLaVA's and in all of ours, from lengths alone."""

from typing import NamedTuple

import msgspec
import numpy as np

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
)


class Setting(NamedTuple):
    """What is simulated: E examples with words and trees, the source of each, and the layout of a global batch."""

    examples: Examples
    sources: Integers
    """[E], a number for each source, from 0."""
    layout: Layout
    seed: int
    window: int
    max_branches: int | None = None


class EpochCost(msgspec.Struct, kw_only=True):
    """What one order costs, over the whole epoch; tokens include padding where they are those of a micro-batch."""

    order: str
    steps: int
    tokens: int
    """Computed on all ranks; the vision tower's are not counted."""
    padding: float
    """Share of the computed tokens that are padding, or the beginning of a picture that is computed once more."""
    imbalance: float
    """Tokens of the slowest ranks over those of the mean ones; `1 / (1 - padding)` times this is `ratio`."""
    cost: int
    """Tokens of the slowest rank, summed over gradient-accumulation steps: the epoch's time is proportional to it."""
    ratio: float
    """Cost over the order's ideal: no padding and equal ranks; with `shared_images` each beginning once an epoch."""
    sources_per_step: float
    """The exponential of the entropy of a global batch's sources: how many equally frequent ones would mix as well."""
    largest_micro_batch: int
    """Tokens of the largest micro-batch."""
    records_per_picture: float
    """Records of a global batch that have a picture over the pictures among them: 1 where all are different."""
    one_modality: float
    """Share of global batches that have images only, or none."""


def epoch_costs(setting: Setting) -> list[EpochCost]:
    """Random order, LLaVA's, and the three of a stage's `batching`."""
    modes: dict[str, Mode] = {
        "random": "llava_random",
        "LLaVA's grouping": "llava_grouped",
        "grouped": "grouped",
        "padding_free": "padding_free",
        "shared_images": "shared_images",
    }
    costs = []
    for name, mode in modes.items():
        order = Order(
            mode=mode,
            window=setting.window,
            remainder="short",
            seed=setting.seed,
            max_branches=setting.max_branches,
        )
        plan = plan_epoch(setting.examples, layout=setting.layout, order=order, epoch=0)
        costs.append(epoch_cost(name, plan, setting, mode=mode))
    return costs


def epoch_cost(name: str, plan: Plan, setting: Setting, *, mode: Mode) -> EpochCost:
    """What a plan costs where batches are padded or, with `padding_free`, not."""
    examples = setting.examples
    cost = measure(plan, examples, mode=mode)
    batches = plan.steps.reshape(len(plan.steps), -1)
    with_image = np.where(batches == EMPTY, 0, examples.has_image[batches]).sum(axis=1)
    return EpochCost(
        order=name,
        steps=len(plan.steps),
        tokens=cost.computed,
        padding=1 - cost.real / cost.computed,
        imbalance=cost.imbalance,
        cost=cost.slowest,
        ratio=cost.ratio,
        sources_per_step=_effective_sources(batches, setting.sources),
        largest_micro_batch=int(load_of(plan.steps, examples, mode=mode).max()),
        records_per_picture=_records_per_picture(batches, examples),
        one_modality=float(np.mean((with_image == 0) | (with_image == (batches != EMPTY).sum(axis=1)))),
    )


def _records_per_picture(batches: Integers, examples: Examples) -> float:
    """Records with a picture over different pictures, averaged over the `batches` [S, G] that have any."""
    assert examples.trees is not None, "no trees"
    shown = (batches != EMPTY) & examples.has_image[batches]
    trees = np.sort(np.where(shown, examples.trees[batches], EMPTY), axis=1)
    different = (np.diff(trees, axis=1, prepend=EMPTY) != 0).sum(axis=1)
    records = shown.sum(axis=1)
    return float((records[records > 0] / different[records > 0]).mean()) if records.any() else 1.0


def _effective_sources(batches: Integers, sources: Integers) -> float:
    """The exponential of the entropy of each global batch's sources, averaged over `batches` [S, G]."""
    number = int(sources.max()) + 1
    step = np.repeat(np.arange(len(batches)), batches.shape[1])[batches.ravel() != EMPTY]
    cells = step * number + sources[batches.ravel()[batches.ravel() != EMPTY]]
    counts = np.bincount(cells, minlength=len(batches) * number).reshape(len(batches), number)
    shares = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return float(np.exp(-(shares * logs).sum(axis=1)).mean())
