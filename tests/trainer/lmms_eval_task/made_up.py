"""The functions that `made_up.yaml` names, for lmms-eval."""

from typing import Any

from PIL import Image


def pictures(record: dict[str, Any]) -> list[Image.Image]:
    """Those of a question."""
    return [Image.open(record["picture"]).convert("RGB")]


def question(record: dict[str, Any], lmms_eval_specific_kwargs: object = None) -> str:
    """The text that is asked."""
    return str(record["question"])


def results(record: dict[str, Any], answers: list[str]) -> dict[str, str]:
    """What the model said."""
    return {"said": answers[0]}


def nothing(answers: list[str]) -> float:
    """The score, which nobody reads."""
    return 0.0
