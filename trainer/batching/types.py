"""What batches are made of, how they lie on ranks, and what they cost."""

import hashlib
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

EMPTY = -1
"""A place of an incomplete global batch that no example takes."""

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]
Mode = Literal["grouped", "padding_free"]
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


def random_keys(num: int, *, purpose: str) -> Keys:
    """[num] distinct 64-bit numbers in random order: splitmix64 (Steele, Lea and Flood 2014) from a hashed start.

    numpy's own generators may give another stream in another version.
    """
    start = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "big")
    state = np.arange(1, num + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class Filled(NamedTuple):
    """Examples for whole global batches, and what that took."""

    kept: Integers
    dropped: Integers
    repeated: Integers


def fill(shuffled: Integers, *, size: int, remainder: Remainder) -> Filled:
    """What becomes of the examples that do not fill a last global batch of `size`."""
    none = shuffled[:0]
    if remainder == "drop":
        whole = len(shuffled) // size * size
        return Filled(shuffled[:whole], shuffled[whole:], none)
    if remainder == "repeat":
        kept = np.resize(shuffled, -(-len(shuffled) // size) * size)
        return Filled(kept, none, kept[len(shuffled) :])
    return Filled(shuffled, none, none)


def tokens_at(steps: Integers, lengths: Integers) -> Integers:
    """[S, ranks, accumulation, per_device_batch]: the length at each place, 0 at an empty one."""
    return np.where(steps == EMPTY, 0, lengths[steps])


def load_of(tokens: Integers, *, mode: Mode) -> Integers:
    """Tokens that each micro-batch takes, from those of its examples along the last axis.

    `grouped` pads to the longest example, `padding_free` puts one behind the other.
    """
    if mode == "padding_free":
        summed: Integers = tokens.sum(axis=-1)
        return summed
    padded: Integers = tokens.max(axis=-1) * (tokens > 0).sum(axis=-1)
    return padded


def costliest_first(steps: Integers, examples: Examples, *, mode: Mode, purpose: str) -> Integers:
    """[S], the order of the global batches: random but for the first, in which running out of memory shows.

    That is the one with the most tokens as one micro-batch, however it is laid out; among equals one with images, then
    the one with the most real tokens.
    """
    shuffled = np.argsort(random_keys(len(steps), purpose=purpose), kind="stable")
    if not len(steps):
        return shuffled
    tokens = tokens_at(steps, examples.lengths).reshape(len(steps), -1)
    with_image = examples.has_image[steps[:, 0, 0, 0]]
    first = np.lexsort((tokens.sum(axis=1), with_image, load_of(tokens, mode=mode)))[-1:]
    return np.concatenate([first, shuffled[shuffled != first]])


class Cost(NamedTuple):
    """What a plan costs, in tokens."""

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


def measure(plan: Plan, *, lengths: Integers, mode: Mode) -> Cost:
    """Simulate an epoch whose ranks wait for each other in every micro-step."""
    tokens = tokens_at(plan.steps, lengths)
    padded = load_of(tokens, mode=mode)
    slowest = padded.max(axis=1)
    real = int(tokens.sum())
    return Cost(
        real=real,
        padded=int(padded.sum()),
        slowest=int(slowest.sum()),
        ideal=real / plan.steps.shape[1],
        imbalance=float(slowest.sum() / padded.mean(axis=1).sum()),
    )
