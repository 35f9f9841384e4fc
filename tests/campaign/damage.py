"""Mutations of a file by its bytes, whatever it holds, and of a pickle by its opcodes."""

import gzip
import json
import pickle
import pickletools
import re
from collections.abc import Callable
from random import Random
from typing import Any

from mix665k.builders.registry import RawFile
from tests.campaign.structure import RAW, Mutation, mutate_json


def mutate_bytes(rng: Random, content: bytes) -> Mutation:
    """A file of which some bytes are other ones; marked where it is no JSON any more."""
    change = rng.choice(_CHANGES)
    changed = change(rng, content)
    what = f"{change.__name__.strip('_').replace('_', ' ')}"
    return Mutation(what, changed, _is_json(content) and not _is_json(changed))


def _is_json(content: bytes) -> bool:
    """Whether Python reads the whole as JSON, or every line; bytes that are no UTF-8 may be where nobody reads."""
    text = content.decode("utf-8-sig", errors="replace")
    try:
        try:
            json.loads(text)
        except json.JSONDecodeError:
            for line in filter(str.strip, text.splitlines()):
                json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _flip_bits(rng: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut_the_end(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def _cut_the_start(rng: Random, content: bytes) -> bytes:
    return content[rng.randrange(1, len(content)) :]


def _take_out(rng: Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.choice((1, 2, 16, 200)) :]


def _put_in(rng: Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    pieces = (b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b'"', b"\\", b"]", b"}", b"[[[[", b'{"a":', b"\xed\xa0\x80")
    return content[:at] + rng.choice((*pieces, rng.randbytes(rng.choice((1, 4, 64))))) + content[at:]


def _repeat_a_piece(rng: Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    piece = content[start : start + rng.choice((1, 16, 200))]
    return content[:start] + piece * rng.choice((2, 3, 1000)) + content[start:]


def _swap_pieces(rng: Random, content: bytes) -> bytes:
    a, b, c = sorted(rng.randrange(len(content) + 1) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _put_nothing(rng: Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    length = rng.choice((1, 16, 512))
    return (content[:start] + bytes(length) + content[start + length :])[: len(content)]


def _write_otherwise(rng: Random, content: bytes) -> bytes:
    text = content.decode("utf-8", errors="replace")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-8-sig"),
        lambda: text.encode("latin-1", errors="replace"),
        lambda: text.replace("\n", "\r\n").encode(),
        lambda: gzip.compress(content, mtime=0),
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n",
        lambda: b"<!DOCTYPE html><html>404</html>",
        lambda: b"",
        lambda: b" " * 50,
        lambda: b"null",
        lambda: content + content,
        lambda: rng.choice(list(RAW.values())).encode(),
        lambda: text.replace('"', "'").encode(),
    )
    return rng.choice(ways)()


_CHANGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(_flip_bits, _flip_bits, _flip_bits, _cut_the_end, _cut_the_start, _take_out, _put_in, _put_in, _repeat_a_piece),
    *(_swap_pieces, _put_nothing, _write_otherwise),
)

_HUGE = (2**16).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"), (2**32 - 1).to_bytes(4, "little")


def _hostile(rng: Random, trace: str) -> bytes:
    """Opcodes that a plain list does not need: they ask for functions, vast memory, deep stacks, or other objects."""
    huge = rng.choice(_HUGE)
    vast = rng.choice((2**31, 2**40, 2**63 - 1)).to_bytes(8, "little")
    touch = f"cbuiltins\nopen\n(S'{trace}'\nS'w'\ntR".encode()
    return rng.choice(
        (
            touch,
            f"(S'touch {trace}'\nios\nsystem\n".encode(),
            f"\x8c\x02os\x8c\x06system\x93\x8c{chr(6 + len(trace))}touch {trace}\x85R".encode("latin-1"),
            b"c__main__\nx\n0",
            b"ccopy_reg\n_reconstructor\n0",
            b"T" + huge,
            b"X" + huge,
            b"B" + huge,
            b"\x8d" + vast,
            b"\x8e" + vast,
            b"\x96" + vast,
            b"\x95" + vast,
            b"\x8b" + huge,
            b"r" + huge,
            b"j" + huge,
            b"(" * 100_000,
            b"]" * 200_000 + b"a" * 199_999,
            b"}" * 2_000,
            b"\x80" + bytes([rng.randrange(256)]),
            b"\x82\x01",
            b"P1\n",
            b"Q",
            b"2" * 100_000,
            b"0",
            b"\x94",
            b"I" + b"9" * 100_000 + b"\n",
            b"L" + b"9" * 5_000 + b"L\n",
            b"F1e400\n",
            b"S'a\n",
            b"V\\ud83d\n",
            b".",
        )
    )


def mutate_pickle(rng: Random, content: bytes, file: RawFile, *, trace: str) -> Mutation:
    """A pickle whose values, opcodes or bytes are other ones; code that it asks for would write the file `trace`."""
    way = rng.random()
    if way < 0.4:
        return _other_values(rng, content, file)
    if way < 0.6:
        return mutate_bytes(rng, content)
    starts = _opcode_places(content)
    if way < 0.8:
        at = rng.choice(starts)
        return Mutation(f"opcodes put in at {at}", content[:at] + _hostile(rng, trace) + content[at:], False)
    first, second = sorted(rng.sample(range(len(starts)), 2))
    a, b = starts[first], starts[second]
    ends = [*starts[1:], len(content)]
    piece, other = content[a : ends[first]], content[b : ends[second]]
    swapped = content[:a] + other + content[ends[first] : b] + piece + content[ends[second] :]
    taken_out = content[:a] + content[ends[first] :]
    repeated = content[:a] + piece * rng.choice((2, 50)) + content[ends[first] :]
    return Mutation(f"opcodes of {a} and {b}", rng.choice((swapped, taken_out, repeated)), False)


def _opcode_places(content: bytes) -> list[int]:
    """Where the opcodes of a pickle begin."""
    ascii_only = re.sub(rb"\\x[89a-f]", rb"\\x6", content)  # pickletools reads Python 2's strings as ASCII
    return [at for _, _, at in pickletools.genops(ascii_only) if at is not None]


def _other_values(rng: Random, content: bytes, file: RawFile) -> Mutation:
    """The pickled list mutated as JSON is, pickled again by any protocol."""
    plain = json.dumps(pickle.loads(content, encoding="latin1")).encode()
    found = mutate_json(rng, plain, [file])
    try:
        value: Any = json.loads(found.content)
        changed = pickle.dumps(value, protocol=rng.randrange(6))
    except (ValueError, RecursionError):  # 5,000 digits, 3,000 lists in each other
        return mutate_bytes(rng, content)
    return Mutation(found.what, changed, found.marked, found.always)
