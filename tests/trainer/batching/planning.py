"""What the tests of batching share: mixtures as lists of lengths, and how an epoch of them is planned."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from mix665k.trainer.batching.epoch import plan_epoch
from mix665k.trainer.batching.types import EMPTY, Examples, Integers, Layout, Mode, Order, Plan, Remainder

Mixture = list[tuple[int, bool]]
"""Tokens and whether there is an image, of each example."""

mixtures: st.SearchStrategy[Mixture] = st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=150)
layouts = st.builds(Layout, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
windows = st.integers(1, 6)
seeds = st.integers(0, 2**32)


def examples_of(mixture: Sequence[tuple[int, bool]]) -> Examples:
    """The arrays of a mixture; each token counts as a word, and all pictures are different."""
    lengths = np.array([length for length, _ in mixture], dtype=np.int64)
    return Examples(
        lengths=lengths,
        has_image=np.array([image for _, image in mixture], dtype=np.bool_),
        words=lengths,
        trees=np.arange(len(mixture)),
        shared=np.zeros_like(lengths),
    )


def plan(
    mixture: Sequence[tuple[int, bool]],
    layout: tuple[int, int, int],
    *,
    window: int = 50,
    remainder: Remainder = "short",
    seed: int = 7,
    epoch: int = 0,
    mode: Mode = "grouped",
) -> Plan:
    """One epoch; the layout is ranks, accumulation, per-device batch."""
    order = Order(mode=mode, window=window, remainder=remainder, seed=seed)
    return plan_epoch(examples_of(mixture), layout=Layout(*layout), order=order, epoch=epoch)


def real(places: Integers) -> list[int]:
    """The examples in an array of places, in its order."""
    return [int(place) for place in places.ravel() if place != EMPTY]
