"""Rows of a mixture as Python objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pyarrow as pa

from mix665k.mixtures.storage.parquet import SCHEMA


def to_dicts(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as `RecordBatch.to_pylist` gives them, in a third of its time: all turns are made first, then sliced."""
    conversations = rows.column("conversations")
    with uncollected():
        roles, values = (field.to_pylist() for field in conversations.flatten().flatten())
        turns = [{"from": role, "value": value} for role, value in zip(roles, values, strict=True)]
        offsets = conversations.offsets.to_pylist()
        columns = {name: rows.column(name).to_pylist() for name in SCHEMA.names if name != "conversations"}
        columns["conversations"] = [turns[a - offsets[0] : b - offsets[0]] for a, b in pairwise(offsets)]
        return [
            dict(zip(SCHEMA.names, row, strict=True)) for row in zip(*(columns[n] for n in SCHEMA.names), strict=True)
        ]


def from_dicts(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Rows as the columns of a mixture."""
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: looking through so many new objects costs more than making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
