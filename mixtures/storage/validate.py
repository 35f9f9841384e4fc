"""Checking records: the published schema, and what a schema cannot say; many at once by a look at columns first."""

from typing import Any

import jsonschema
import jsonschema_rs
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.storage.json_schemas import conversation_schema
from mix665k.mixtures.storage.parquet import Named
from mix665k.schemas.conversation import IMAGE_TOKEN, VISIBLE, fault, in_order, is_blank
from mix665k.schemas.image_names import SURE_NAME, name_fault

_BOX = r"\[(?:-?\d+\.\d+, ){3}-?\d+\.\d+\]"
_BOX_WITHIN = r"\[(?:(?:0\.[0-9]+|1\.0+), ){3}(?:0\.[0-9]+|1\.0+)\]"
"""A box that surely lies within 0..1."""
_SURE_ID = r"\A[A-Za-z0-9_]+/[^\n\r\x{85}\x{2028}\x{2029}]+\z"


class RecordCheck:
    """Says what is wrong with a record of a mixture, or None."""

    def __init__(self) -> None:
        self._fast = jsonschema_rs.validator_for(conversation_schema())

    def record(self, record: Named, *, source: str, boxes: bool) -> str | None:
        """The fault of a conversation as it will be in the mixture; `boxes` as in `schemas.conversation.fault`."""
        conversation = record.conversation
        return self.row(
            {
                "id": record.id,
                "source": source,
                "image": conversation.image,
                "conversations": [
                    {"from": "gpt" if i % 2 else "human", "value": value} for i, value in enumerate(record.turns)
                ],
                "origins": [pair.origin for pair in conversation.pairs],
                "steps": list(conversation.history),
                "reference_id": conversation.id,
                "more_images": list(conversation.more_images) or None,
                "system": conversation.system,
            },
            boxes=boxes,
        )

    def row(self, row: dict[str, Any], *, boxes: bool, explained: bool = True) -> str | None:
        """The fault of a row; what a schema forbids is only explained, at some cost, if that is asked for."""
        if not self._fast.is_valid(row):
            return explain(row) if explained else "does not agree with the schema of conversations"
        turns = row["conversations"]
        for i, turn in enumerate(turns):
            if turn["from"] != ("gpt" if i % 2 else "human"):
                return f"$.conversations[{i}].from: {turn['from']!r}, expected human and gpt in turn"
        if 2 * len(row["origins"]) != len(turns):
            return f"$.origins: {len(row['origins'])} of them for {len(turns)} turns, expected one per pair"
        if row["image"] is None and row.get("more_images"):
            return "$.more_images: images after a first that is not there"
        images = in_order(row["image"], row.get("more_images"))
        for i, image in enumerate(images):
            if why := name_fault(image):
                return f"$.{f'more_images[{i - 1}]' if i else 'image'}: {image!r}: {why}"
        if (system := row.get("system")) is not None and (IMAGE_TOKEN in system or is_blank(system)):
            return f"$.system: {system[:80]!r}, expected a text without {IMAGE_TOKEN}"
        return fault([turn["value"] for turn in turns], num_images=len(images), boxes=boxes)


def writes_boxes(source: str) -> bool:
    """Whether a source writes region boxes; one that this version does not know does not."""
    return source in SOURCES and SOURCES[source].about.writes_boxes


def explain(row: dict[str, Any]) -> str:
    """What the reference implementation of JSON Schema finds first."""
    validator = jsonschema.Draft202012Validator(conversation_schema())
    error = jsonschema.exceptions.best_match(validator.iter_errors(row))
    if error is None:  # Python's `$` allows a line break at the end, the fast validator's does not
        return f"$.id: {row['id']!r} ends in a line break, expected none"
    return f"{error.json_path}: {error.message}"


def suspects(rows: pa.RecordBatch, *, source: str) -> list[int]:
    """The rows, in order, that may have a fault: all that `RecordCheck.row` faults, and perhaps some sound ones.

    Rows of another source than `source` are among them. Looking at columns costs a tenth of checking row by row.
    """
    lists = rows.column("conversations")
    roles, values = (pl.Series(field) for field in lists.flatten().flatten())
    counts = pl.Series(lists).list.len().fill_null(0).to_numpy().astype(np.int64)
    record = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    position = np.arange(len(record)) - starts[record]
    has_image = np.asarray(rows.column("image").is_valid())[record]
    turns = pl.DataFrame({"role": roles, "value": values, "position": position, "has_image": has_image})
    doubts = turns.select(_doubtful_turn()).fill_null(True).select(pl.any_horizontal(pl.all())).to_series()
    doubtful = record[doubts.to_numpy()]
    found: list[int] = np.union1d(doubtful, _doubtful_rows(rows, counts, source=source)).tolist()
    return found


def _doubtful_turn() -> list[pl.Expr]:
    value, first = pl.col("value"), (pl.col("position") == 0) & pl.col("has_image")
    role = pl.when(pl.col("position") % 2 == 0).then(pl.lit("human")).otherwise(pl.lit("gpt"))
    tokens = pl.when(first).then(value).str.count_matches(IMAGE_TOKEN, literal=True)
    token = pl.when(first).then(tokens != 1).otherwise(value.str.contains(IMAGE_TOKEN, literal=True))
    boxes = value.str.count_matches(_BOX) != value.str.count_matches(_BOX_WITHIN)
    shown = pl.when(first).then(value.str.replace(IMAGE_TOKEN, "", literal=True)).otherwise(value)
    doubts = (pl.col("role") != role, ~shown.str.contains(VISIBLE), token, pl.col("has_image") & boxes)
    return [doubt.alias(str(i)) for i, doubt in enumerate(doubts)]


def _doubtful_rows(rows: pa.RecordBatch, counts: npt.NDArray[Any], *, source: str) -> npt.NDArray[Any]:
    names = ["id", "source", "image", "more_images", "system", "origins", "steps", "reference_id"]
    frame = pl.DataFrame(rows.select(names))
    origins, steps = pl.col("origins"), pl.col("steps")
    doubtful = frame.select(
        ~pl.col("id").str.contains(_SURE_ID)
        | (pl.col("source") != source)
        | ~pl.col("id").str.starts_with(f"{source}/")
        | ~pl.col("image").fill_null("-").str.contains(SURE_NAME)
        | pl.any_horizontal(pl.col("more_images", "system").is_not_null())  # few have them: each is looked at
        | pl.col("reference_id").is_null()
        | (origins.list.len() * 2 != pl.Series(counts))
        | origins.list.eval(pl.element().is_null()).list.any()
        | steps.list.eval(pl.element().is_null()).list.any()
    ).to_series()
    return np.flatnonzero(doubtful.fill_null(True).to_numpy() | (counts % 2 == 1) | (counts < 2))
