"""Lists of plain values as Python 2's `pickle.dump(…, protocol=0)` wrote them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

Plain = int | str | Sequence["Plain"] | Mapping[str, "Plain"]


def opcodes(value: Plain, memo: Iterator[int]) -> Iterator[str]:
    """The lines that push `value`; every string and container takes the next memo number."""
    if isinstance(value, int):
        yield f"I{value}\n"
    elif isinstance(value, str):
        yield f"S{value!a}\np{next(memo)}\n"  # a byte string: needs encoding="latin1" in Python 3
    elif isinstance(value, Mapping):
        yield f"(dp{next(memo)}\n"
        for key, item in value.items():
            yield from opcodes(key, memo)
            yield from opcodes(item, memo)
            yield "s"
    else:
        yield f"(lp{next(memo)}\n"
        for item in value:
            yield from opcodes(item, memo)
            yield "a"


def pickled(items: Iterable[Plain]) -> Iterator[bytes]:
    """The pickle of a list, one item at a time."""
    memo = count()
    yield f"(lp{next(memo)}\n".encode()
    for item in items:
        yield "".join(opcodes(item, memo)).encode("ascii") + b"a"
    yield b"."
