"""What batches are made of, how they are laid out on ranks, and what they cost.

S optimizer steps, B global batches, G examples in a global batch, E examples in a mixture.
"""

import hashlib
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

EMPTY = -1
"""Fills the slots of an incomplete global batch."""

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]
Mode = Literal["grouped", "padding_free", "shared_images", "llava_grouped", "llava_random"]
Remainder = Literal["short", "drop", "repeat"]


class Examples(NamedTuple):
    """What batching must know of the E examples of a mixture, by their row in it."""

    lengths: Integers
    """[E], tokens after truncation, with each image as its placeholders."""
    has_image: Flags
    """[E]"""
    words: Integers | None = None
    """[E], split at white space: what LLaVA orders by; None where the order is another."""
    trees: Integers | None = None
    """[E], a number for each picture, from 0, that all records of it have; one without a picture has its own."""
    shared: Integers | None = None
    """[E], tokens with which all records of its tree begin; 0 in a tree of one."""


class Layout(NamedTuple):
    """How a global batch is laid out on the ranks."""

    ranks: int
    accumulation: int
    """Micro-batches of a rank in one optimizer step."""
    per_device_batch: int

    @property
    def global_batch(self) -> int:
        """Examples in one optimizer step."""
        return self.ranks * self.accumulation * self.per_device_batch


class Order(NamedTuple):
    """How a stage orders an epoch: its `batching`, `window`, `remainder`, `seed` and `max_branches`."""

    mode: Mode
    window: int
    remainder: Remainder
    seed: int
    max_branches: int | None = None


class Plan(NamedTuple):
    """The batches of one epoch, S optimizer steps."""

    steps: Integers
    """[S, ranks, accumulation, per_device_batch], numbers of examples; `EMPTY` only at the end of a micro-batch.

    With `shared_images` the last axis is as long as the micro-batch with the most examples.
    """
    dropped: Integers
    """Examples left out of this epoch."""
    repeated: Integers
    """Examples that fill up the remainders, once per repetition."""


def random_keys(num: int, *, purpose: str) -> Keys:
    """[num] distinct 64-bit numbers in random order: splitmix64 (Steele, Lea and Flood 2014) from a hashed start."""
    # Not numpy's generators: their stream may change with the version, and a resumed run must meet the same batches.
    start = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "big")
    state = np.arange(1, num + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class Filled(NamedTuple):
    """Examples for complete global batches, or for all but the last, and what that took."""

    kept: Integers
    dropped: Integers
    repeated: Integers


def fill(shuffled: Integers, *, size: int, remainder: Remainder) -> Filled:
    """Examples for global batches of `size`; those of an incomplete last one are kept, dropped or filled up."""
    none = shuffled[:0]
    if remainder == "drop":
        complete = len(shuffled) // size * size
        return Filled(kept=shuffled[:complete], dropped=shuffled[complete:], repeated=none)
    if remainder == "repeat":
        kept = np.resize(shuffled, -(-len(shuffled) // size) * size)
        return Filled(kept=kept, dropped=none, repeated=kept[len(shuffled) :])
    return Filled(kept=shuffled, dropped=none, repeated=none)


def tokens_at(steps: Integers, lengths: Integers) -> Integers:
    """The length of the example in each slot, 0 in an empty one; of the shape of `steps`."""
    return np.where(steps == EMPTY, 0, lengths[steps])


def load_of(steps: Integers, examples: Examples, *, mode: Mode) -> Integers:
    """Tokens that each micro-batch computes, its examples along the last axis of `steps`.

    `padding_free` concatenates, `shared_images` does with a tree's beginning once, all others pad to the longest.
    """
    tokens = tokens_at(steps, examples.lengths)
    if mode == "padding_free":
        summed: Integers = tokens.sum(axis=-1)
        return summed
    if mode == "shared_images":
        return _with_trees(steps, examples)
    padded: Integers = tokens.max(axis=-1) * (tokens > 0).sum(axis=-1)
    return padded


def _with_trees(steps: Integers, examples: Examples) -> Integers:
    """The same where the beginning of each tree of a micro-batch is computed once."""
    assert examples.trees is not None, "no trees"
    assert examples.shared is not None, "no trees"
    tree = np.where(steps == EMPTY, EMPTY, examples.trees[steps])
    by_tree = np.argsort(tree, axis=-1, kind="stable")
    tree, numbers = np.take_along_axis(tree, by_tree, axis=-1), np.take_along_axis(steps, by_tree, axis=-1)
    is_later = np.zeros(tree.shape, dtype=np.bool_)
    is_later[..., 1:] = tree[..., 1:] == tree[..., :-1]
    spared = tokens_at(np.where(is_later, numbers, EMPTY), examples.shared)
    computed: Integers = (tokens_at(numbers, examples.lengths) - spared).sum(axis=-1)
    return computed


def costliest_first(steps: Integers, examples: Examples, *, mode: Mode, purpose: str) -> Integers:
    """[S], the order of the global batches: random, except that the costliest comes first.

    That is the one with the most tokens when it is taken as one micro-batch, which does not depend on the layout; among
    equals one with images, then the one with the most real tokens. A run that does not fit into memory so fails in its
    first step, not after hours.
    """
    shuffled = np.argsort(random_keys(len(steps), purpose=purpose), kind="stable")
    if not len(steps):
        return shuffled
    batches = steps.reshape(len(steps), -1)
    tokens = tokens_at(batches, examples.lengths)
    with_image = ((batches != EMPTY) & examples.has_image[batches]).any(axis=1)
    first = np.lexsort((tokens.sum(axis=1), with_image, load_of(batches, examples, mode=mode)))[-1:]
    return np.concatenate([first, shuffled[shuffled != first]])


class Cost(NamedTuple):
    """What a plan costs, in tokens."""

    real: int
    """Those of examples; with `shared_images` the beginning of each tree counts once an epoch."""
    computed: int
    """With padding, or with the beginnings that several micro-batches compute."""
    slowest: int
    """The computed tokens of the rank that has most, summed over gradient-accumulation steps: the others wait."""
    ideal: float
    """The real tokens of each rank if all ranks had as many."""
    imbalance: float
    """The slowest rank over the mean of the ranks, averaged over gradient-accumulation steps."""

    @property
    def ratio(self) -> float:
        """1 is ideal."""
        return self.slowest / self.ideal


def measure(plan: Plan, examples: Examples, *, mode: Mode) -> Cost:
    """The cost of an epoch whose ranks wait for each other in every gradient-accumulation step."""
    computed = load_of(plan.steps, examples, mode=mode)
    slowest = computed.max(axis=1)
    whole: Mode = "shared_images" if mode == "shared_images" else "padding_free"
    real = int(load_of(plan.steps.reshape(1, -1), examples, mode=whole).sum())
    return Cost(
        real=real,
        computed=int(computed.sum()),
        slowest=int(slowest.sum()),
        ideal=real / plan.steps.shape[1],
        imbalance=float(slowest.sum() / computed.mean(axis=1).sum()),
    )
