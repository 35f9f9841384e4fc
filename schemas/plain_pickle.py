"""Pickles of plain data, as RefCOCO's are: dicts, lists, strings and numbers, and nothing that runs or grows.

The opcodes are walked before anything is made of them. Python's unpickler makes room for as many memo entries as an
index says, so that one flipped bit of a file took 3.8 GB, and hashing tuples in tuples in tuples overflows the stack.
"""

import io
import pickle
import re
from functools import cache
from typing import Any, NoReturn

NOT_PLAIN = (
    pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError, OverflowError, MemoryError,
)  # fmt: skip
"""What `load_plain` raises for bytes that are no pickle, or an unwanted one."""
_COUNTED = {
    **dict.fromkeys(b"U\x8cC\x8a", 1),  # short strings, bytes and integers
    **dict.fromkeys(b"TXB\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e", 8),
}
"""Opcodes followed by a length of so many bytes, and then by as many bytes as that says."""
_ASKING = b"ci\x93PQ"
"""Opcodes that ask for a class, a function or an object of the reader's; `_PlainUnpickler` refuses them by name."""
_PLAIN_RUN = r"""
    (?:
        [asNe(ul)d\]}012\x88\x89\x94] |  # no argument
        p<PUT>\n | [SIVFLg][^\n]*+\n |
        q. | K. | h. | r<LONG_BINPUT> | M.. | J.... | j.... | G.{8} | \x80. | \x95.{8}
    )*+
"""
_KINDS = {**dict.fromkeys(b"t\x85\x86\x87", "a tuple"), **dict.fromkeys(b"\x8f\x90\x91", "a set")}


class _PlainUnpickler(pickle.Unpickler):
    """Allows no class and no function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}")


def load_plain(pickled: bytes) -> Any:
    """What a pickle of plain data holds; text of Python 2 is read as Latin-1.

    Raises:
        Exception: one of `NOT_PLAIN`, before any code runs and before more memory is taken than the bytes can fill.
    """
    _require_plain(pickled)
    return _PlainUnpickler(io.BytesIO(pickled), encoding="latin1").load()


def _require_plain(pickled: bytes) -> None:
    """Walk the opcodes up to the first at which `_PlainUnpickler` stops or fails by itself."""
    run, at = _plain_run(len(pickled) // 2), 0
    while True:
        at += len(run.match(pickled, at)[0])  # type: ignore[index]  # an empty run matches too
        opcode = pickled[at : at + 1]
        if opcode in b"." + _ASKING:  # the end of the bytes too
            return
        if width := _COUNTED.get(opcode[0]):
            length = int.from_bytes(pickled[at + 1 : at + 1 + width], "little")
            at += 1 + width
            if length > len(pickled) - at:
                left = max(len(pickled) - at, 0)
                raise pickle.UnpicklingError(f"says that {length:,} bytes follow, {left:,} do")
            at += length
        elif pickled.find(b"\n", at) >= 0 if opcode == b"p" else opcode == b"r" and len(pickled) - at > 4:
            raise pickle.UnpicklingError(f"a memo index at byte {at:,} that so small a file cannot have")
        elif opcode in b"SIVFLgprKhMJjGq\x80\x95":
            return  # its argument is cut off
        else:
            what = _KINDS.get(opcode[0], repr(opcode))
            raise pickle.UnpicklingError(f"{what} at byte {at:,}, expected dicts, lists, strings and numbers")


@cache
def _plain_run(most: int) -> re.Pattern[bytes]:
    """Opcodes of plain data that need no look at their argument; memo indices are at most about `most`.

    A regular expression, as a loop over the millions of opcodes of a file would take longer than unpickling it.
    """
    third, fourth = most >> 16 & 0xFF, min(most >> 24, 0x7F)
    binary_index = f"...[\\x00-\\x{fourth:02x}]" if fourth else f"..[\\x00-\\x{third:02x}]\\x00"
    pattern = _PLAIN_RUN.replace("<PUT>", _up_to(most)).replace("<LONG_BINPUT>", binary_index)
    return re.compile(pattern.encode(), re.DOTALL | re.VERBOSE)


def _up_to(most: int) -> str:
    """A pattern of the decimal numbers 0 to `most`."""
    digits = str(most)
    shorter = [f"[0-9]{{1,{len(digits) - 1}}}"] if len(digits) > 1 else []
    as_long = [
        f"{digits[:k]}[{'1' if k == 0 < len(digits) - 1 else '0'}-{int(digit) - 1}][0-9]{{{len(digits) - k - 1}}}"
        for k, digit in enumerate(digits)
        if int(digit) > (k == 0 and len(digits) > 1)
    ]
    return f"(?:{'|'.join([*shorter, *as_long, digits])})"
