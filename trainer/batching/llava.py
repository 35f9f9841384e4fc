"""The orders of LLaVA's trainer, index for index, as it takes them on several GPUs.

Written from the description of its sampler and compared with what its code gives under the releases that it pins
(transformers 4.37.2, accelerate 0.21.0). Two generators are drawn from. One has the Trainer's seed: each epoch first a
number for the loader's workers, then, where batches are grouped, the shuffles within each modality. The other one
accelerate hands to whatever sampler has none of its own, and it never gets a seed but torch's default: from it come
the order of the grouped batches and, without grouping, that of the examples. On one GPU accelerate does not take part,
so LLaVA's order is another there; ours is that of several on any number of ranks.
"""

import heapq
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mix665k.schemas.errors import UserError
from mix665k.trainer.batching.types import EMPTY, Examples, Flags, Integers, Layout, Order, Plan, Remainder, fill

if TYPE_CHECKING:
    from torch import Generator


class Shuffles(NamedTuple):
    """What LLaVA's sampler draws in one epoch; each a permutation of the numbers from 0."""

    images: Integers
    texts: Integers
    batches: Integers
    """The complete batches of both, images first."""


def plan_llava_random(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """Every example once, in the order of stage 1: torch's `RandomSampler`. The seed plays no part."""
    from torch import Generator

    accelerates = Generator()
    num = len(examples.lengths)
    for _ in range(epoch):
        _permutation(num, accelerates)
        _permutation(num, accelerates)  # `RandomSampler` draws once more, for a rest of its samples that is empty
    flat = _permutation(num, accelerates)
    return _cut(flat, layout, remainder=order.remainder)


def plan_llava_grouped(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """The order of stage 2: `LengthGroupedSampler` with `group_by_modality`, lengths being words.

    Global batches of one modality in random order, each dealt to the micro-batches by its words. What is left of both
    modalities, at least one batch of each, comes last and together, in the order of the mixture. Where all examples are
    of one modality they are shuffled, cut and dealt.

    Raises:
        UserError: when an example has no word: LLaVA's sampler cannot tell its modality.
    """
    import torch

    assert examples.words is not None, order
    if empty := int((examples.words == 0).sum()):
        raise UserError(
            f"batching llava_grouped: {empty:,} rows hold no word, which LLaVA's sampler refuses; leave them out of "
            "the mixture, or say `batching: grouped` with `window: 1`"
        )
    trainers = torch.Generator().manual_seed(order.seed)
    accelerates = torch.Generator()
    num_images = int(examples.has_image.sum())
    num_texts = len(examples.lengths) - num_images
    for _ in range(epoch + 1):
        torch.empty((), dtype=torch.int64).random_(generator=trainers)  # the seed of the loader's workers
        if not num_images or not num_texts:
            shuffled = _permutation(num_images or num_texts, accelerates)
            continue
        shuffles = draw(num_images, num_texts, layout=layout, within=trainers, between=accelerates)
    if num_images and num_texts:
        flat = llava_order(examples.words, examples.has_image, layout=layout, shuffles=shuffles)
    else:
        # LLaVA counts the words of text negatively, also where nothing has an image: the shortest then comes first.
        signed = examples.words if num_images else -examples.words
        flat = np.concatenate([_deal(batch, signed, layout) for batch in _batches(shuffled, layout)])
    return _cut(flat, layout, remainder=order.remainder)


def draw(num_images: int, num_texts: int, *, layout: Layout, within: "Generator", between: "Generator") -> Shuffles:
    """Draw what orders an epoch of both modalities: `within` each of them, and `between` their batches."""
    complete = sum(-(-count // layout.global_batch) - 1 for count in (num_images, num_texts))
    return Shuffles(
        images=_permutation(num_images, within),
        texts=_permutation(num_texts, within),
        batches=_permutation(complete, between),
    )


def llava_order(words: Integers, has_image: Flags, *, layout: Layout, shuffles: Shuffles) -> Integers:
    """[E], all examples of a mixture of both modalities, micro-batch by micro-batch.

    words      int64 [E]
    has_image  bool  [E]
    """
    batches: list[Integers] = []
    left = []
    for members, shuffle in ((has_image, shuffles.images), (~has_image, shuffles.texts)):
        *complete, last = _batches(np.flatnonzero(members)[shuffle], layout)
        batches += [_deal(batch, words, layout) for batch in complete]
        left.append(last)
    return np.concatenate([*(batches[index] for index in shuffles.batches), np.sort(np.concatenate(left))])


def _permutation(num: int, generator: "Generator") -> Integers:
    # Torch's own, in spite of what `random_keys` says: its stream is what defines these orders.
    import torch

    drawn: Integers = torch.randperm(num, generator=generator).numpy()
    return drawn


def _batches(members: Integers, layout: Layout) -> list[Integers]:
    size = layout.global_batch
    return [members[start : start + size] for start in range(0, len(members), size)]


def _deal(batch: Integers, words: Integers, layout: Layout) -> Integers:
    """The examples of a batch, most words first to the micro-batch that has the fewest and room; they lie in a row.

    One that cannot be shared out evenly is dealt in turn.
    """
    batch = batch[np.argsort(-words[batch], kind="stable")]
    cells = layout.ranks * layout.accumulation
    if len(batch) % cells:
        return np.concatenate([batch[cell::cells] for cell in range(cells)])
    chunks: list[list[int]] = [[] for _ in range(cells)]
    loads = [(0, cell) for cell in range(cells)]
    for example, num_words in zip(batch.tolist(), words[batch].tolist(), strict=True):
        load, cell = heapq.heappop(loads)
        chunks[cell].append(example)
        if len(chunks[cell]) < len(batch) // cells:
            heapq.heappush(loads, (load + num_words, cell))
    return np.array(chunks, dtype=np.int64).ravel()


def _cut(flat: Integers, layout: Layout, *, remainder: Remainder) -> Plan:
    """A plan of examples in the order in which accelerate hands them out: a micro-batch to each rank in turn.

    `repeat` fills the last global batch with the first examples of the epoch, as accelerate does.
    """
    filled = fill(flat, size=layout.global_batch, remainder=remainder)
    num_steps = -(-len(filled.kept) // layout.global_batch)
    steps = np.full(num_steps * layout.global_batch, EMPTY, dtype=np.int64)
    steps[: len(filled.kept)] = filled.kept
    shape = (num_steps, layout.accumulation, layout.ranks, layout.per_device_batch)
    return Plan(steps=steps.reshape(shape).swapaxes(1, 2), dropped=filled.dropped, repeated=filled.repeated)
