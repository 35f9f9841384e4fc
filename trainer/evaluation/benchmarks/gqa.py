"""GQA: questions made from scene graphs, with one right answer."""

import json
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.registry import (
    SHORT,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    Score,
    prompt_text,
    register,
    score_of,
)

_PLACE = "https://cs.stanford.edu/people/dorarad/gqa/download.html"


class Types(msgspec.Struct):
    """What kind of question it is, by structure and by meaning."""

    structural: str = ""
    semantic: str = ""


class Asked(msgspec.Struct):
    """`"202225914": {"imageId": "n336443", "question": "…", "answer": "yes", "types": {…}, …}`."""

    image_id: str = msgspec.field(name="imageId")
    question: str
    answer: str | None = None
    types: Types = msgspec.field(default_factory=Types)


def _questions(data: Data, request: Request) -> list[Question]:
    asked = read_json(data.require("testdev_balanced_questions.json"), dict[str, Asked])
    added = prompt_text(GQA, request)
    return [
        Question((("id", name),), text=one.question + added, image=f"{one.image_id}.jpg", bare=one.question, record=one)
        for name, one in asked.items()
    ]


def _keys(answer: Answer) -> list[Key]:
    name = answer.fields.get("question_id", answer.fields.get("questionId"))
    return [] if name is None else [("id", plain(name))]


def _said(text: str) -> str:
    return text.rstrip(".").lower()


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score | None:
    if all(question.record.answer is None for question in questions):
        return None  # a split whose answers only the server knows
    right: list[tuple[str, float]] = []
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for question, text in zip(questions, texts, strict=True):
        asked: Asked = question.record
        if asked.answer is None:
            raise EvaluationError(f"question {question.keys[0][1]}: no answer in the file; this split has no labels")
        one = (question.picture, float(text is not None and _said(text) == asked.answer))
        right.append(one)
        if asked.types.structural:
            groups["open" if asked.types.structural == "query" else "binary"].append(one)
            groups[f"structural {asked.types.structural}"].append(one)
        if asked.types.semantic:
            groups[f"semantic {asked.types.semantic}"].append(one)
    return score_of(means({"accuracy": right, **dict(sorted(groups.items()))}))


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """What the official tool reads."""
    answers = [
        {"questionId": question.keys[0][1], "prediction": _said(text or "")}
        for question, text in zip(questions, texts, strict=True)
    ]
    return [Output("testdev_balanced_predictions.json", json.dumps(answers).encode())]


GQA = register(
    Benchmark(
        name="gqa",
        title="GQA",
        place=_PLACE,
        licence="CC BY 4.0",
        num_questions="testdev_balanced 12,578 on 398 pictures",
        metric="accuracy on testdev_balanced",
        files=(
            DataFile(
                "gqa/testdev_balanced_questions.json", place=_PLACE, llava="gqa/data/testdev_balanced_questions.json"
            ),
        ),
        prompts={"short": SHORT},
        rule="The text without periods at its end, in lower case, is the answer.",
        form=Asked.__doc__ or "",
        traps=(
            "lmms-eval deletes all punctuation on both sides; on the 2,796 questions at hand that changes nothing.",
        ),
        evidence="The authors' outputs of LLaVA-1.5-13B give 60.44 on the 1,398 questions at hand.",
        image_folders=("gqa/images", "gqa/data/images"),
        llava_id=lambda question: question.keys[0][1],
        questions=_questions,
        keys=_keys,
        score=_score,
        outputs=_outputs,
        published_on={"": 12578},
        published={"accuracy": (62.0, 63.3)},
    )
)
