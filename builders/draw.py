"""The only randomness of a build: a hash of (seed, id).

A library's sampler gives other samples in its next version, and a sample must not depend on the order of its input, on
other sources or on the number of processes. So every drawn thing has a rank of its own.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Ranks ids under one seed; `purpose` keeps draws apart that see the same ids."""

    def __init__(self, seed: int, *, purpose: str) -> None:
        self._seeded = hashlib.blake2b(f"{seed}/{purpose}/".encode(), digest_size=8)

    def rank(self, identifier: str) -> int:
        """A number in [0, 2**64), uniform over ids."""
        return int.from_bytes(self._digest(identifier), "big")

    def order(self, items: Iterable[T], *, key: Callable[[T], str]) -> list[T]:
        """The items by rank: a shuffle that does not depend on the order they come in.

        Items of equal ids keep their order.
        """
        return sorted(items, key=lambda item: self._digest(key(item)))

    def _digest(self, identifier: str) -> bytes:
        """Eight bytes that sort as the rank does."""
        state = self._seeded.copy()
        state.update(identifier.encode())
        return state.digest()
