"""The batches of one epoch as a pure function of lengths, modalities, layout, seed and epoch.

Every rank computes the same plan and takes its row of it, so nothing is sent between ranks. Which examples share a
global batch, and the order of the global batches, depend on its size alone and not on how it is laid out: a run that
goes on with another number of ranks meets the same examples at every later step.
"""

import hashlib
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError

EMPTY = -1
"""A place of an incomplete global batch that no example takes."""

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]
Mode = Literal["grouped"]
Remainder = Literal["short", "drop", "repeat"]


class Examples(NamedTuple):
    """What batching must know of the E examples of a mixture, by their position in it."""

    lengths: Integers
    """[E], tokens, 576 per image included, after truncation."""
    has_image: Flags
    """[E]"""


class Layout(NamedTuple):
    """How a global batch lies on the ranks."""

    ranks: int
    accumulation: int
    per_device_batch: int

    @property
    def global_batch(self) -> int:
        """Examples in one optimizer step."""
        return self.ranks * self.accumulation * self.per_device_batch


class Order(NamedTuple):
    """How a stage wants an epoch ordered: its `batching`, `window`, `remainder` and `seed`."""

    mode: Mode
    window: int
    remainder: Remainder
    seed: int


class Plan(NamedTuple):
    """The batches of one epoch, S optimizer steps."""

    steps: Integers
    """[S, ranks, accumulation, per_device_batch], positions of examples; `EMPTY` only at the end of a micro-batch."""
    dropped: Integers
    """Examples left out of this epoch."""
    repeated: Integers
    """What fills up the remainders, once per repetition."""


class Planner(Protocol):
    """Plans one epoch in one mode."""

    def __call__(self, examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
        """The same plan for the same arguments, on any machine, with any version of any library."""
        ...


class _Batches(NamedTuple):
    """B global batches of one modality, one after the other, the longest example of each first."""

    examples: Integers
    """[sum of sizes]"""
    sizes: Integers
    """[B], examples in each; only the last may hold fewer than a global batch."""
    dropped: Integers
    repeated: Integers


def plan_epoch(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """The batches of one epoch in the order's mode.

    Raises:
        UserError: there is no example, or none is left for a whole batch.
    """
    num_examples = len(examples.lengths)
    assert examples.has_image.shape == (num_examples,), (examples.has_image.shape, num_examples)
    assert min(*layout, order.window) >= 1, (layout, order)
    if not num_examples:
        raise UserError("batching: no example to train on, expected at least one; does the mixture hold conversations?")
    assert examples.lengths.min() >= 1, examples.lengths.min()
    plan = PLANNERS[order.mode](examples, layout=layout, order=order, epoch=epoch)
    if not len(plan.steps):
        raise UserError(
            f"batching: no step is left, all {num_examples:,} examples lie in incomplete global batches of "
            f"{layout.global_batch:,} and the remainder is 'drop'; say `remainder: short` or lower global_batch"
        )
    return plan


def plan_grouped(examples: Examples, *, layout: Layout, order: Order, epoch: int) -> Plan:
    """Global batches of one modality and of similar lengths, in random order, the costliest first.

    The paper groups by modality (appendix A.2). The examples of a modality are shuffled and cut into windows of
    `order.window` global batches; in a window they are sorted by length. A modality that fits into one window has the
    same batches in every epoch, in another order.
    """
    keys = _keys(len(examples.lengths), purpose=f"{order.seed}/{epoch}/examples")
    shuffled = np.argsort(keys, kind="stable")
    groups = [
        _group(members, examples.lengths, order=order, size=layout.global_batch)
        for members in (shuffled[~examples.has_image[shuffled]], shuffled[examples.has_image[shuffled]])
    ]
    steps = np.concatenate([_lay_out(group, layout) for group in groups])
    return Plan(
        steps=steps[_shuffle(steps, examples, seed=order.seed, epoch=epoch)],
        dropped=np.concatenate([group.dropped for group in groups]),
        repeated=np.concatenate([group.repeated for group in groups]),
    )


PLANNERS: dict[Mode, Planner] = {"grouped": plan_grouped}


def _keys(num: int, *, purpose: str) -> Keys:
    """[num] distinct 64-bit numbers in random order: splitmix64 (Steele, Lea and Flood 2014) from a hashed start.

    numpy's own generators may give another stream in another version.
    """
    start = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "big")
    state = np.arange(1, num + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _group(shuffled: Integers, lengths: Integers, *, order: Order, size: int) -> _Batches:
    """Cut one modality into global batches of `size`; an incomplete one holds the shortest of the last window."""
    none = shuffled[:0]
    whole = len(shuffled) // size * size
    if order.remainder == "drop":
        kept, dropped, repeated = shuffled[:whole], shuffled[whole:], none
    elif order.remainder == "repeat":
        kept = np.resize(shuffled, -(-len(shuffled) // size) * size)
        dropped, repeated = none, kept[len(shuffled) :]
    else:
        kept, dropped, repeated = shuffled, none, none
    num_batches = -(-len(kept) // size)
    num_windows = -(-num_batches // order.window)
    # equally many batches in each window: a last window of one batch would be as good as unsorted
    windows = np.arange(num_batches, dtype=np.int64) * num_windows // max(num_batches, 1)
    by_length = np.lexsort((-lengths[kept], np.repeat(windows, size)[: len(kept)]))
    sizes = np.minimum(size, len(kept) - size * np.arange(num_batches, dtype=np.int64))
    return _Batches(examples=kept[by_length], sizes=sizes, dropped=dropped, repeated=repeated)


def _lay_out(batches: _Batches, layout: Layout) -> Integers:
    """[B, ranks, accumulation, per_device_batch]: neighbours in length share a micro-batch, then a micro-step.

    So the ranks of one micro-step, who wait for each other, have about as much to do. Empty places are spread evenly;
    where examples are fewer than micro-batches, each rank gets its first before any gets a second.
    """
    cells = layout.accumulation * layout.ranks
    sizes = batches.sizes[:, np.newaxis]
    filled = sizes // cells + (np.arange(cells) < sizes % cells)
    steps = np.full((len(sizes), cells, layout.per_device_batch), EMPTY, dtype=np.int64)
    steps[np.arange(layout.per_device_batch) < filled[..., np.newaxis]] = batches.examples
    return steps.reshape(-1, layout.accumulation, layout.ranks, layout.per_device_batch).swapaxes(1, 2)


def _shuffle(steps: Integers, examples: Examples, *, seed: int, epoch: int) -> Integers:
    """[S], the order of the global batches: random but for the first, in which running out of memory shows.

    That is the one with the most tokens once all its examples are as long as its longest; among equals one with images,
    then the one with the most real tokens.
    """
    shuffled = np.argsort(_keys(len(steps), purpose=f"{seed}/{epoch}/batches"), kind="stable")
    if not len(steps):
        return shuffled
    tokens = _tokens(steps, examples.lengths).reshape(len(steps), -1)
    padded = tokens.max(axis=1) * (tokens > 0).sum(axis=1)
    with_image = examples.has_image[steps[:, 0, 0, 0]]
    costliest = np.lexsort((tokens.sum(axis=1), with_image, padded))[-1:]
    return np.concatenate([costliest, shuffled[shuffled != costliest]])


def _tokens(steps: Integers, lengths: Integers) -> Integers:
    """The length at each place, 0 at an empty one."""
    return np.where(steps == EMPTY, 0, lengths[steps])


class Cost(NamedTuple):
    """What a plan costs, in tokens; a micro-batch is padded to its longest example."""

    real: int
    padded: int
    slowest: int
    """Summed over micro-steps, the padded tokens of the rank that has most: the others wait for it."""
    ideal: float
    """What each rank would have without padding and with all ranks equal."""
    imbalance: float
    """The slowest rank over the mean of the ranks, averaged over micro-steps."""

    @property
    def ratio(self) -> float:
        """1 is ideal."""
        return self.slowest / self.ideal


def measure(plan: Plan, *, lengths: Integers) -> Cost:
    """Simulate an epoch whose ranks wait for each other in every micro-step."""
    tokens = _tokens(plan.steps, lengths)
    padded = tokens.max(axis=3) * (tokens > 0).sum(axis=3)
    slowest = padded.max(axis=1)
    real = int(tokens.sum())
    return Cost(
        real=real,
        padded=int(padded.sum()),
        slowest=int(slowest.sum()),
        ideal=real / plan.steps.shape[1],
        imbalance=float(np.mean(slowest[slowest > 0] / padded.mean(axis=1)[slowest > 0])),
    )
