"""What an epoch costs in random order, in LLaVA's and in both of ours, from lengths alone."""

from typing import NamedTuple

import msgspec
import numpy as np

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


class Setting(NamedTuple):
    """What is simulated: E examples, the number of words and the source of each, and the layout of a global batch."""

    examples: Examples
    words: Integers
    """[E], split at white space: what LLaVA sorts by."""
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
    examples, layout, seed = setting.examples, setting.layout, setting.seed
    plans: list[tuple[str, Plan, Mode]] = [
        ("random", plan_random(len(examples.lengths), layout=layout, seed=seed), "grouped"),
        ("LLaVA's grouping", plan_llava(setting.words, examples.has_image, layout=layout, seed=seed), "grouped"),
    ]
    modes: tuple[Mode, ...] = ("grouped", "padding_free")
    for mode in modes:
        order = Order(mode=mode, window=setting.window, remainder="short", seed=seed)
        plans.append((mode, plan_epoch(examples, layout=layout, order=order, epoch=0), mode))
    return [epoch_cost(name, plan, setting, mode=mode) for name, plan, mode in plans]


def epoch_cost(name: str, plan: Plan, setting: Setting, *, mode: Mode) -> EpochCost:
    """What a plan costs where batches are padded (`grouped`) or not."""
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
