"""What an epoch costs in random order, in LLaVA's and in both of ours, from lengths alone."""

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
    tokens_at,
)


class Setting(NamedTuple):
    """What is simulated: E examples with their words, the source of each, and the layout of a global batch."""

    examples: Examples
    sources: Integers
    """[E], a number for each source, from 0."""
    layout: Layout
    seed: int
    window: int


class EpochCost(msgspec.Struct, kw_only=True):
    """What one order costs, over the whole epoch; tokens include padding where they are those of a micro-batch."""

    order: str
    steps: int
    padding: float
    """Share of the computed tokens that are padding."""
    imbalance: float
    """Tokens of the slowest ranks over those of the mean ones; `1 / (1 - padding)` times this is `ratio`."""
    cost: int
    """Tokens of the slowest rank, summed over gradient-accumulation steps: the epoch's time is proportional to it."""
    ratio: float
    """Cost over the ideal, which has no padding and equal ranks."""
    sources_per_step: float
    """The exponential of the entropy of a global batch's sources: how many equally frequent ones would mix as well."""
    largest_micro_batch: int
    """Tokens of the largest micro-batch."""
    one_modality: float
    """Share of global batches that have images only, or none."""


def epoch_costs(setting: Setting) -> list[EpochCost]:
    """Random order, LLaVA's, and the two of a stage's `batching`."""
    modes: dict[str, Mode] = {
        "random": "llava_random",
        "LLaVA's grouping": "llava_grouped",
        "grouped": "grouped",
        "padding_free": "padding_free",
    }
    costs = []
    for name, mode in modes.items():
        order = Order(mode=mode, window=setting.window, remainder="short", seed=setting.seed)
        plan = plan_epoch(setting.examples, layout=setting.layout, order=order, epoch=0)
        costs.append(epoch_cost(name, plan, setting, mode=mode))
    return costs


def epoch_cost(name: str, plan: Plan, setting: Setting, *, mode: Mode) -> EpochCost:
    """What a plan costs where batches are padded or, with `padding_free`, not."""
    cost = measure(plan, lengths=setting.examples.lengths, mode=mode)
    batches = plan.steps.reshape(len(plan.steps), -1)
    with_image = np.where(batches == EMPTY, 0, setting.examples.has_image[batches]).sum(axis=1)
    return EpochCost(
        order=name,
        steps=len(plan.steps),
        padding=1 - cost.real / cost.padded,
        imbalance=cost.imbalance,
        cost=cost.slowest,
        ratio=cost.ratio,
        sources_per_step=_effective_sources(batches, setting.sources),
        largest_micro_batch=int(load_of(tokens_at(plan.steps, setting.examples.lengths), mode=mode).max()),
        one_modality=float(np.mean((with_image == 0) | (with_image == (batches != EMPTY).sum(axis=1)))),
    )


def _effective_sources(batches: Integers, sources: Integers) -> float:
    """The exponential of the entropy of each global batch's sources, averaged over `batches` [S, G]."""
    number = int(sources.max()) + 1
    step = np.repeat(np.arange(len(batches)), batches.shape[1])[batches.ravel() != EMPTY]
    cells = step * number + sources[batches.ravel()[batches.ravel() != EMPTY]]
    counts = np.bincount(cells, minlength=len(batches) * number).reshape(len(batches), number)
    shares = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return float(np.exp(-(shares * logs).sum(axis=1)).mean())
