"""The answers as LLaVA's evaluation writes them, each with the key that joins it to its question."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from mix665k.trainer.evaluation.registry import Benchmark, Question

_IMAGES = "images"


def answer_lines(
    benchmark: Benchmark, questions: Sequence[Question], texts: Sequence[str | None], *, model: str
) -> str:
    """JSON lines in the order of the questions, none for one without a text; the same bytes each time."""
    name = PurePosixPath(model).name
    lines = []
    for question, text in zip(questions, texts, strict=True):
        if text is None:
            continue
        identity = hashlib.sha256("\0".join((*question.keys[0], text, name)).encode()).hexdigest()[:22]
        one: dict[str, Any] = {
            "question_id": (benchmark.llava_id or _question_id)(question),
            "prompt": question.text,
            "text": text,
            "answer_id": identity,
            "model_id": name,
            "metadata": {},
            "key": list(question.keys[0]),
        }
        lines.append(json.dumps(one, ensure_ascii=False) + "\n")
    return "".join(lines)


def _question_id(question: Question) -> int | str:
    ids = [key[1] for key in question.keys if key[0] in ("id", "index")]
    if ids:
        return int(ids[-1]) if ids[-1].isdigit() and str(int(ids[-1])) == ids[-1] else ids[-1]
    parts = PurePosixPath(question.image or "").parts
    return "/".join(part for part in parts if part != _IMAGES)
