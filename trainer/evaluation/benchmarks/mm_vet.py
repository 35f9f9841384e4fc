"""MM-Vet: open questions that need several abilities at once, answers graded by a judge."""

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import fault
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_bytes, read_json
from mix665k.trainer.evaluation.parts import figures_of, means
from mix665k.trainer.evaluation.registry import (
    MAX_LONG,
    Benchmark,
    JudgeRequest,
    Judging,
    Key,
    Output,
    Question,
    Request,
    Score,
    prompt_text,
    register,
)

_PLACE = "https://github.com/yuweihao/MM-Vet"
_MAX_UNREAD = 0.05


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


def _requests(data: Data, asked: Sequence[tuple[Question, str]], instructions: Path) -> list[JudgeRequest]:
    """The prompt of MM-Vet's program, a table of graded examples, with one row more."""
    try:
        prompt = read_bytes(instructions).decode()
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{instructions}: {fault(error)[1]}") from None
    records = read_json(data.require("mm-vet.json"), dict[str, Asked])
    requests = []
    for question, text in asked:
        name = question.keys[0][1]
        right = records[name].answer.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        content = prompt + "\n" + " | ".join([records[name].question, right, text, ""])
        messages = [{"role": "user", "content": content}]
        requests.append(JudgeRequest(name, {"messages": messages, "temperature": 0, "max_tokens": 3}))
    return requests


def _graded(content: str) -> dict[str, Any] | None:
    """The number from 0 to 1 that a reply begins with."""
    word = content.split(" ")[0].strip()
    try:
        grade = float(word)
    except ValueError:
        return None
    return {"score": grade} if 0 <= grade <= 1 else None


def _judged(data: Data, runs: Sequence[Sequence[Mapping[str, Any]]], allow_missing: bool) -> Score:
    """Totals of the judge's runs, averaged; one file holds all runs of a question."""
    asked = read_json(data.require("mm-vet.json"), dict[str, Asked])
    grades: dict[str, list[float | None]] = {}
    for records in runs:
        for record in records:
            name, where = str(record.get("question_id")), record["where"]
            grade = record["text"] if isinstance(record.get("text"), dict) else record
            scores = [grade["score"]] if isinstance(grade.get("score"), int | float) else grade.get("score")
            if not isinstance(scores, list) or not scores:
                raise EvaluationError(
                    f"{where}: no grades, expected score; MM-Vet is scored by a judge: give its grades, or --judge"
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
    unread = sum(one is None for of in grades.values() for one in of)
    if unread > _MAX_UNREAD * sum(map(len, grades.values())):
        raise EvaluationError(f"mm_vet: {unread} replies of the judge hold no grade; ask it again")
    return _average(asked, grades, num_runs=num_runs.pop())._replace(unread=unread)


def _grade(value: Any, *, where: str) -> float | None:
    if value == -1:  # `--judge` writes it where a reply holds no grade
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise EvaluationError(f"{where}: grade {value!r}, expected a number from 0 to 1")
    return float(value)


def _mean(grades: Sequence[float | None]) -> float | None:
    known = [one for one in grades if one is not None]
    return statistics.fmean(known) if known else None


def _average(asked: Mapping[str, Asked], grades: Mapping[str, Sequence[float | None]], *, num_runs: int) -> Score:
    """The figures; a question without a grade is wrong, one whose grade was not read is left out."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, one in asked.items():
        groups["total"].append(name)
        for ability in one.capability:
            groups[ability].append(name)
        groups["+".join(sorted(one.capability))].append(name) if len(one.capability) > 1 else None
    none: list[float | None] = [0.0] * num_runs
    totals = [100 * (_mean([grades.get(name, none)[run] for name in asked]) or 0.0) for run in range(num_runs)]
    each = {name: _mean(grades.get(name, none)) for name in asked}
    parts = means(
        {
            group: [(asked[name].imagename, mean) for name in names if (mean := each[name]) is not None]
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
        form=Asked.__doc__ or "",
        traps=(
            "lmms-eval now puts a request to think step by step in front of each question: another benchmark.",
            "MM-Vet's program gives 0 where the judge's reply holds no grade.",
        ),
        evidence="GPT-4's three runs on LLaVA-1.5-7B give the published 31.1.",
        image_folders=("mm-vet/images",),
        llava_id=lambda question: int(question.keys[0][1].removeprefix("v1_")),
        questions=_questions,
        keys=_keys,
        score=None,
        outputs=_outputs,
        judged=_judged,
        judging=Judging(
            option="--judge-prompt",
            model="gpt-4-0613",
            requests=_requests,
            read=_graded,
            unread={"score": -1},
            facts=lambda _: {},
        ),
        published={"total": (31.1, 36.1)},
    )
)
