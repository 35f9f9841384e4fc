"""ScienceQA: questions with two to five options, half of them with a picture."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.parts import figures_of, means
from mix665k.trainer.evaluation.readers import LETTERS, scienceqa_letter
from mix665k.trainer.evaluation.registry import (
    LETTER,
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

_PLACE = "https://github.com/lupantech/ScienceQA"


class Problem(msgspec.Struct):
    """`{"question": "…", "choices": ["…"], "answer": 0, "hint": "", "image": "image.png", …}`."""

    question: str
    choices: list[str]
    answer: int
    hint: str
    image: str | None
    subject: str = ""
    grade: str = ""


def _questions(data: Data, request: Request) -> list[Question]:
    path = data.require("problems.json")
    problems = read_json(path, dict[str, Problem])
    splits = read_json(data.require("pid_splits.json"), dict[str, list[str]])
    split = request.split or "test"
    added = prompt_text(SCIENCEQA, request)
    questions = []
    for name in splits.get(split, []):
        if name not in problems:
            raise EvaluationError(
                f"{path}: no problem {name!r}, which the split {split} has; download both files again"
            )
        problem = problems[name]
        if not 0 <= problem.answer < len(problem.choices):
            raise EvaluationError(
                f"{path}: problem {name!r}: answer {problem.answer}, expected one of {len(problem.choices)}, from 0"
            )
        text = _text(problem)
        image = f"{split}/{name}/{problem.image}" if problem.image else None
        questions.append(Question((("id", name),), text=text + added, image=image, bare=text, record=problem))
    return questions


def _text(problem: Problem) -> str:
    options = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, problem.choices, strict=False))
    context = f"Context: {problem.hint}\n" if problem.hint else ""
    return f"{context}{problem.question}\n{options}".replace("  ", " ").strip()


def _keys(answer: Answer) -> list[Key]:
    return [("id", plain(answer.fields["question_id"]))] if "question_id" in answer.fields else []


def _read(problem: Problem, text: str | None) -> int | None:
    return None if text is None else scienceqa_letter(text, num_choices=len(problem.choices))


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score:
    read = [_read(question.record, text) for question, text in zip(questions, texts, strict=True)]
    groups: dict[str, list[tuple[str, float]]] = {"IMG-accuracy": [], "accuracy": [], "TXT-accuracy": []}
    kinds: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for question, option in zip(questions, read, strict=True):
        problem: Problem = question.record
        one = (question.picture, float(option == problem.answer))
        groups["accuracy"].append(one)
        groups["TXT-accuracy" if question.image is None else "IMG-accuracy"].append(one)
        for field in ("subject", "grade"):
            if value := getattr(problem, field):
                kinds[f"{field} {value}"].append(one)
    of_kinds = sorted(kinds.items(), key=lambda named: (named[0].startswith("grade"), named[0]))
    parts = means({name: of for name, of in (*groups.items(), *of_kinds) if of})
    figures = figures_of(parts)
    line = (
        f"Total: {len(questions)}, Correct: {sum(map(int, parts['accuracy'][0].above))}, "
        f"Accuracy: {figures['accuracy']:.2f}%, IMG-Accuracy: {figures.get('IMG-accuracy', math.nan):.2f}%"
    )
    unread = sum(option is None and text is not None for option, text in zip(read, texts, strict=True))
    return Score(figures, parts, unread=unread, lines=(line,))


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """LLaVA's form of the result."""
    score = _score(questions, texts, Request())
    pairs = [(question.keys[0][1], question.record, text) for question, text in zip(questions, texts, strict=True)]
    read = {name: _read(problem, text) for name, problem, text in pairs}
    content: dict[str, Any] = {
        "acc": score.figures["accuracy"],
        "correct": sum(read[name] == problem.answer for name, problem, _ in pairs),
        "count": len(pairs),
        "results": {name: -1 if option is None else option for name, option in read.items()},
        "outputs": {name: text or "" for name, _, text in pairs},
    }
    return [Output("scienceqa_result.json", json.dumps(content, indent=2).encode())]


SCIENCEQA = register(
    Benchmark(
        name="scienceqa",
        title="ScienceQA",
        place=_PLACE,
        licence="CC BY-NC-SA 4.0",
        num_questions="test 4,241, of which 2,017 with a picture",
        metric="accuracy on questions with a picture",
        files=(
            DataFile("scienceqa/problems.json", _PLACE),
            DataFile("scienceqa/pid_splits.json", _PLACE),
        ),
        prompts={"letter": LETTER},
        max_new_tokens=MAX_LONG,
        splits=("test", "val"),
        rule=(
            "The answer is a letter, or begins with one and `. `, or says `The answer is X.` once. Anything else, and "
            "a letter beyond the choices, is no reading, which counts as wrong; nothing is guessed."
        ),
        form=Problem.__doc__ or "",
        traps=(
            "A reading without `The answer is X.` gives 0.0 for 90 on models that explain first.",
            "lupantech's own program guesses at random where it reads nothing: 3 points on its GPT-3 file.",
            "lmms-eval keeps double spaces, and reuses the question before for one without a picture.",
        ),
        evidence="The authors' outputs of LLaVA-1.5-13B give the published 71.6, and 74.39 over all questions.",
        image_folders=("scienceqa/images", "scienceqa"),
        llava_id=lambda question: question.keys[0][1],
        questions=_questions,
        keys=_keys,
        score=_score,
        outputs=_outputs,
        published_on={"": 4241, "test": 4241},
        published={"IMG-accuracy": (66.8, 71.6)},
    )
)
