"""Checking every built record: the published schema on all, and what a schema cannot say."""

from typing import Any

import jsonschema
import jsonschema_rs

from mixtures.contracts import conversation_schema
from schemas.conversation import Conversation, fault, values


class RecordCheck:
    """Says what is wrong with a record of a mixture, or None."""

    def __init__(self) -> None:
        self._fast = jsonschema_rs.validator_for(conversation_schema())

    def conversation(self, conversation: Conversation, *, identifier: str, source: str) -> str | None:
        """The fault of a conversation as it would stand in the mixture."""
        turns = list(values(conversation))
        roles = ("human", "gpt")
        return self.row(
            {
                "id": identifier,
                "source": source,
                "image": conversation.image,
                "conversations": [{"from": roles[i % 2], "value": value} for i, value in enumerate(turns)],
                "origins": [pair.origin for pair in conversation.pairs],
                "steps": list(conversation.history),
                "reference_id": conversation.reference_id,
            }
        )

    def row(self, row: dict[str, Any]) -> str | None:
        """The fault of a row."""
        if not self._fast.is_valid(row):
            return explain(row)
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
