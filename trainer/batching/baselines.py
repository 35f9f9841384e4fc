"""Epochs as others order them, planned like our own so that they can be compared.

LLaVA's is written from the description of its trainer: it sorts by words split at white space, does not count an
image's tokens, and joins the remainders of both modalities into one last, mixed batch.
"""

import heapq

import numpy as np

from mix665k.trainer.batching.types import EMPTY, Flags, Integers, Layout, Plan, random_keys


def plan_random(num_examples: int, *, layout: Layout, seed: int) -> Plan:
    """Every example once, in random order."""
    return _cut(_shuffled(np.arange(num_examples, dtype=np.int64), purpose=f"{seed}/random"), layout)


def plan_llava(words: Integers, has_image: Flags, *, layout: Layout, seed: int) -> Plan:
    """Global batches of one modality in random order, each dealt to the ranks by its words: `group_by_modality_length`.

    words      int64 [E]
    has_image  bool  [E]
    """
    batches: list[Integers] = []
    left = []
    for name, members in (("images", np.flatnonzero(has_image)), ("text", np.flatnonzero(~has_image))):
        members = _shuffled(members, purpose=f"{seed}/{name}")
        complete = len(members) // layout.global_batch * layout.global_batch
        batches += [_deal(batch, words, layout) for batch in members[:complete].reshape(-1, layout.global_batch)]
        left.append(members[complete:])
    order = _shuffled(np.arange(len(batches), dtype=np.int64), purpose=f"{seed}/batches")
    return _cut(np.concatenate([*(batches[index] for index in order), *left]), layout)


def _shuffled(members: Integers, *, purpose: str) -> Integers:
    shuffled: Integers = members[np.argsort(random_keys(len(members), purpose=purpose), kind="stable")]
    return shuffled


def _deal(batch: Integers, words: Integers, layout: Layout) -> Integers:
    """The examples of a batch, longest first to the least loaded micro-batch that has room; micro-batches in a row."""
    batch = batch[np.argsort(-words[batch], kind="stable")]
    cells = layout.ranks * layout.accumulation
    chunks: list[list[int]] = [[] for _ in range(cells)]
    loads = [(0, cell) for cell in range(cells)]
    for example, num_words in zip(batch.tolist(), words[batch].tolist(), strict=True):
        load, cell = heapq.heappop(loads)
        chunks[cell].append(example)
        if len(chunks[cell]) < layout.per_device_batch:
            heapq.heappush(loads, (load + num_words, cell))
    return np.array(chunks, dtype=np.int64).ravel()


def _cut(flat: Integers, layout: Layout) -> Plan:
    """A plan of examples in the order in which accelerate hands them out: a micro-batch to each rank in turn."""
    num_steps = -(-len(flat) // layout.global_batch)
    steps = np.full(num_steps * layout.global_batch, EMPTY, dtype=np.int64)
    steps[: len(flat)] = flat
    shape = (num_steps, layout.accumulation, layout.ranks, layout.per_device_batch)
    return Plan(steps=steps.reshape(shape).swapaxes(1, 2), dropped=flat[:0], repeated=flat[:0])
