"""Checking every built record: the published schema on all, and what a schema cannot say."""

from typing import Any

import jsonschema
import jsonschema_rs

from mix665k.mixtures.storage.json_schemas import conversation_schema
from mix665k.mixtures.storage.parquet import Named
from mix665k.schemas.conversation import fault


class RecordCheck:
    """Says what is wrong with a record of a mixture, or None."""

    def __init__(self) -> None:
        self._fast = jsonschema_rs.validator_for(conversation_schema())

    def record(self, record: Named, *, source: str) -> str | None:
        """The fault of a conversation as it will stand in the mixture."""
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
                "reference_id": conversation.reference_id,
            }
        )

    def row(self, row: dict[str, Any], *, explained: bool = True) -> str | None:
        """The fault of a row; what a schema forbids is only explained, at some cost, if that is asked for."""
        if not self._fast.is_valid(row):
            return explain(row) if explained else "does not agree with the schema of conversations"
        turns = row["conversations"]
        for i, turn in enumerate(turns):
            if turn["from"] != ("gpt" if i % 2 else "human"):
                return f"$.conversations[{i}].from: {turn['from']!r}, expected human and gpt in turn"
        if 2 * len(row["origins"]) != len(turns):
            return f"$.origins: {len(row['origins'])} of them for {len(turns)} turns, expected one per pair"
        return fault([turn["value"] for turn in turns], has_image=row["image"] is not None)


def explain(row: dict[str, Any]) -> str:
    """What the reference implementation of JSON Schema finds first."""
    validator = jsonschema.Draft202012Validator(conversation_schema())
    error = jsonschema.exceptions.best_match(validator.iter_errors(row))
    assert error is not None, row
    return f"{error.json_path}: {error.message}"
