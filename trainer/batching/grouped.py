"""Batches of one modality and of similar lengths, padded to the longest."""

from typing import NamedTuple

import numpy as np

from mix665k.trainer.batching.types import (
    EMPTY,
    Examples,
    Integers,
    Layout,
    Order,
    Plan,
    costliest_first,
    fill,
    random_keys,
)


class _Batches(NamedTuple):
    """B global batches of one modality, in a row, the longest example of each first."""

    examples: Integers
    """[sum of sizes]"""
    sizes: Integers
    """[B], examples in each; only the last may hold fewer than a global batch."""
    dropped: Integers
    repeated: Integers


def plan_grouped(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """Global batches of one modality and of similar lengths, in random order, the costliest first.

    The paper groups by modality (appendix A.2). The examples of a modality are shuffled and cut into windows of
    `order.window` global batches; within a window they are sorted by length. A modality that fits into one window has
    the same batches in every epoch, in another order.
    """
    keys = random_keys(len(examples.lengths), purpose=f"{order.seed}/{epoch}/examples")
    shuffled = np.argsort(keys, kind="stable")
    groups = [
        _group(members, examples.lengths, order=order, size=layout.global_batch)
        for members in (shuffled[~examples.has_image[shuffled]], shuffled[examples.has_image[shuffled]])
    ]
    steps = np.concatenate([_lay_out(group, layout) for group in groups])
    return Plan(
        steps=steps[costliest_first(steps, examples, mode="grouped", purpose=f"{order.seed}/{epoch}/batches")],
        dropped=np.concatenate([group.dropped for group in groups]),
        repeated=np.concatenate([group.repeated for group in groups]),
    )


def _group(shuffled: Integers, lengths: Integers, *, order: Order, size: int) -> _Batches:
    """Cut one modality into global batches of `size`; an incomplete one holds the shortest of the last window."""
    kept, dropped, repeated = fill(shuffled, size=size, remainder=order.remainder)
    num_batches = -(-len(kept) // size)
    num_windows = -(-num_batches // order.window)
    # equally many batches in each window: a last window of one batch would be as good as unsorted
    windows = np.arange(num_batches, dtype=np.int64) * num_windows // max(num_batches, 1)
    by_length = np.lexsort((-lengths[kept], np.repeat(windows, size)[: len(kept)]))
    sizes = np.minimum(size, len(kept) - size * np.arange(num_batches, dtype=np.int64))
    return _Batches(examples=kept[by_length], sizes=sizes, dropped=dropped, repeated=repeated)


def _lay_out(batches: _Batches, layout: Layout) -> Integers:
    """[B, ranks, accumulation, per_device_batch]: neighbours in length share a micro-batch, then an accumulation step.

    The ranks of one gradient-accumulation step wait for each other, so they get about as much to do. Empty slots are
    spread evenly; where there are fewer examples than micro-batches, each rank gets its first before any gets a second.
    """
    cells = layout.accumulation * layout.ranks
    sizes = batches.sizes[:, np.newaxis]
    filled = sizes // cells + (np.arange(cells) < sizes % cells)
    steps = np.full((len(sizes), cells, layout.per_device_batch), EMPTY, dtype=np.int64)
    steps[np.arange(layout.per_device_batch) < filled[..., np.newaxis]] = batches.examples
    return steps.reshape((-1, layout.accumulation, layout.ranks, layout.per_device_batch)).swapaxes(1, 2)
