"""MM-Vet: open questions that need several abilities at once, answers graded by a judge."""

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.parts import figures_of, means
from mix665k.trainer.evaluation.registry import (
    MAX_LONG,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    Score,
    prompt_text,
    register,
)

_PLACE = "https://github.com/yuweihao/MM-Vet"


class Asked(msgspec.Struct):
    """`"v1_0": {"imagename": "v1_0.png", "question": "…", "answer": "…", "capability": ["ocr", "math"]}`."""

    imagename: str
    question: str
    answer: str
    capability: list[str]


def _questions(data: Data, request: Request) -> list[Question]:
    added = prompt_text(MM_VET, request)
    asked = read_json(data.require("mm-vet.json"), dict[str, Asked])
    return [
        Question(
            (("id", name),), text=one.question + added, image=one.imagename, bare=one.question, record=one.capability
        )
        for name, one in asked.items()
    ]


def _keys(answer: Answer) -> list[Key]:
    name = plain(answer.fields.get("question_id", ""))
    return [("id", f"v1_{name}" if name.isdigit() else name)] if name else []


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """What the judge's program reads."""
    answers = {question.keys[0][1]: text or "" for question, text in zip(questions, texts, strict=True)}
    return [Output("mm-vet_results.json", json.dumps(answers, indent=2).encode())]


def _judged(data: Data, runs: Sequence[Sequence[Mapping[str, Any]]], allow_missing: bool) -> Score:
    """Totals of the judge's runs, averaged; one file holds all runs of a question."""
    asked = read_json(data.require("mm-vet.json"), dict[str, Asked])
    grades: dict[str, list[float]] = {}
    for records in runs:
        for record in records:
            name, where = str(record.get("question_id")), record["where"]
            grade = record.get("text")
            scores = grade.get("score") if isinstance(grade, dict) else None
            if not isinstance(scores, list) or not scores:
                raise EvaluationError(
                    f"{where}: no grades, expected score; MM-Vet is scored by a judge: give its grades"
                )
            if name not in asked:
                raise EvaluationError(f"{where}: {name!r} is no question of mm-vet.json; are they of the same version?")
            grades.setdefault(name, []).extend(_grade(one, where=where) for one in scores)
    missing = [name for name in asked if name not in grades]
    if missing and not allow_missing:
        raise EvaluationError(f"mm_vet: {len(missing)} of {len(asked)} questions have no grade, such as {missing[0]!r}")
    num_runs = {len(of) for of in grades.values()}
    if len(num_runs) != 1:
        raise EvaluationError(f"mm_vet: questions have {sorted(num_runs)} grades, expected one of each run")
    return _average(asked, grades, num_runs=num_runs.pop())


def _grade(value: Any, *, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise EvaluationError(f"{where}: grade {value!r}, expected a number from 0 to 1")
    return float(value)


def _average(asked: Mapping[str, Asked], grades: Mapping[str, Sequence[float]], *, num_runs: int) -> Score:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, one in asked.items():
        groups["total"].append(name)
        for ability in one.capability:
            groups[ability].append(name)
        groups["+".join(sorted(one.capability))].append(name) if len(one.capability) > 1 else None
    none = [0.0] * num_runs
    totals = [100 * statistics.fmean(grades.get(name, none)[run] for name in asked) for run in range(num_runs)]
    parts = means(
        {
            group: [(asked[name].imagename, statistics.fmean(grades.get(name, none))) for name in names]
            for group, names in groups.items()
        }
    )
    deviation = statistics.pstdev(totals)
    runs = ", ".join(f"{total:.1f}" for total in totals)
    return Score(figures_of(parts), parts, decimals=1, notes=(f"runs: {runs}; standard deviation {deviation:.1f}",))


MM_VET = register(
    Benchmark(
        name="mm_vet",
        title="MM-Vet",
        place=_PLACE,
        licence="CC BY-NC 4.0",
        num_questions="218 on 200 pictures",
        metric="the judge's grades",
        files=(DataFile("mm-vet/mm-vet.json", _PLACE),),
        prompts={"none": ""},
        max_new_tokens=MAX_LONG,
        rule="The mean of the judge's grades in per cent, over all questions and by ability; runs are averaged.",
        evidence="GPT-4's three runs on LLaVA-1.5-7B give the published 31.1.",
        image_folders=("mm-vet/images",),
        questions=_questions,
        keys=_keys,
        score=None,
        outputs=_outputs,
        judged=_judged,
        published={"total": (31.1, 36.1)},
    )
)
