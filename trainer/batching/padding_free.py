"""Random batches whose ranks have equal work, each micro-batch one row without padding."""

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
    tokens_at,
)


def plan_padding_free(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """Random global batches of both modalities, the costliest first; `order.window` is not used.

    The examples of each are dealt longest first, to the micro-batch with the fewest tokens that has room.
    """
    keys = random_keys(len(examples.lengths), purpose=f"{order.seed}/{epoch}/examples")
    kept, dropped, repeated = fill(np.argsort(keys, kind="stable"), size=layout.global_batch, remainder=order.remainder)
    num_steps = -(-len(kept) // layout.global_batch)
    batches = np.full(num_steps * layout.global_batch, EMPTY, dtype=np.int64)
    batches[: len(kept)] = kept
    steps = _deal(batches.reshape(num_steps, layout.global_batch), examples.lengths, layout)
    by_cost = costliest_first(steps, examples, mode="padding_free", purpose=f"{order.seed}/{epoch}/batches")
    return Plan(steps=steps[by_cost], dropped=dropped, repeated=repeated)


def _deal(batches: Integers, lengths: Integers, layout: Layout) -> Integers:
    """[S, ranks, accumulation, per_device_batch] from [S, global batch].

    Micro-batches with about as many tokens share a gradient-accumulation step, whose ranks wait for each other.
    """
    cells = layout.accumulation * layout.ranks
    step = np.arange(len(batches))
    by_length = np.argsort(-tokens_at(batches, lengths), axis=1, kind="stable")
    examples = np.take_along_axis(batches, by_length, axis=1)
    tokens = tokens_at(examples, lengths)
    dealt = np.full((len(batches), cells, layout.per_device_batch), EMPTY, dtype=np.int64)
    loads = np.zeros((len(batches), cells), dtype=np.int64)
    sizes = np.zeros_like(loads)
    full = np.iinfo(np.int64).max
    for k in range(layout.global_batch):
        lightest = np.where(sizes < layout.per_device_batch, loads, full).argmin(axis=1)
        dealt[step, lightest, sizes[step, lightest]] = examples[:, k]
        loads[step, lightest] += tokens[:, k]
        sizes[step, lightest] += 1
    by_load = np.argsort(-loads, axis=1, kind="stable")
    dealt = np.take_along_axis(dealt, by_load[..., np.newaxis], axis=1)
    return dealt.reshape((-1, layout.accumulation, layout.ranks, layout.per_device_batch)).swapaxes(1, 2)
