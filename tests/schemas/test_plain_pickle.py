"""Pickles that would take the memory or the stack are refused by their opcodes; plain ones are read as pickle does."""

import pickle
import struct
import tracemalloc
from typing import Any

import pytest

from mix665k.schemas.plain_pickle import NOT_PLAIN, load_plain

VALUES: list[Any] = [
    {"text": "a mill", "latin": "caf\xe9", "wide": "\u4e2d" * 300, "none": None, "yes": True, "no": False},
    {"small": 7, "byte": 200, "word": 60_000, "int": -5, "long": 2**80, "vast": 1 << 5000,
     "float": 0.1, "bytes": b"x" * 300},
    [[], {}, [[1.5, "1", [2, [3]]]] * 3, {"k" * 300: {1: 2, None: 3}}],
    [str(number) for number in range(70_000)],
]  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("value", VALUES, ids=["texts", "numbers", "nested", "many"])
def test_plain_data_of_every_protocol_is_read(value: Any, protocol: int) -> None:
    if protocol < 3:
        value = [item for item in value if item != "bytes"] if isinstance(value, list) else {**value, "bytes": None}
    assert load_plain(pickle.dumps(value, protocol=protocol)) == value


def nested(opcode: bytes, times: int) -> bytes:
    return b"\x80\x02}(" + b")" + opcode * times + b"Nu."


@pytest.mark.parametrize(
    ("pickled", "why"),
    [
        (b"\x80\x02]r\xff\xff\xff\x0f.", "a memo index at byte 3"),
        (b"]r\x00\x00\x01\x00.", "a memo index at byte 1"),
        (b"(lp999999999\n.", "a memo index at byte 2"),
        (b"(lp1_0\n.", "a memo index"),
        (b"(lp-1\n.", "a memo index"),
        (nested(b"\x85", 400_000), "a tuple at byte 5"),
        (nested(b"2\x86", 40), "a tuple at byte 6"),  # each is the one before, twice: hashing takes 2 ** 40 steps
        (b"(I1\nt.", "a tuple"),
        (b"\x8f.", "a set"),
        (b"(\x91.", "a set"),
        (b"\x96" + struct.pack("<Q", 1 << 40), "b'\\x96' at byte 0"),
        (b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc", "says that 1,099,511,627,776 bytes follow, 3 do"),
        (b"B\xff\xff\xff\x7f.", "says that 2,147,483,647 bytes follow, 1 do"),
        (b"X\xff\xff", "bytes follow, 0 do"),
        (b"}Nb.", "b'b' at byte 2"),
        (b"]Np5", "truncated"),
        (b"I5", "truncated"),
        (b"J\x01\x02", "truncated|out of input"),
    ],
)
def test_what_would_take_memory_or_stack_is_refused(pickled: bytes, why: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(NOT_PLAIN, match=why.replace("\\", r"\\") if why.startswith("b'") else f"(?i){why}"):
            load_plain(pickled)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000 + 2 * len(pickled)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_flipped_bit_takes_more_than_the_file_is_worth(protocol: int) -> None:
    whole = pickle.dumps([{"ref_id": 70_000, "said": [{"sent": "a mill", "n": 300}]} for _ in range(3)], protocol)
    read, largest = 0, 0
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        tracemalloc.start()
        try:
            load_plain(bytes(flipped))
            read += 1
        except NOT_PLAIN:
            pass
        largest = max(largest, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 0 < read < len(whole) * 8
    assert largest < 1_000_000


@pytest.mark.parametrize("most", [0, 7, 10, 99, 100, 1_305, 20_990])
def test_memo_indices_end_where_the_file_does(most: int) -> None:
    for index in {0, 1, 9, 10, most - 1, most, most + 1, 2 * most + 10, 10 * most + 100} - {-1}:
        pickled = b"Np%d\n." % index + b" " * (2 * most - len(f"Np{index}\n.") + most % 2)
        if len(pickled) // 2 == most:
            if index <= most:
                assert load_plain(pickled) is None
            else:
                with pytest.raises(NOT_PLAIN, match="memo index"):
                    load_plain(pickled)
