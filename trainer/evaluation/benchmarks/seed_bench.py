"""SEED-Bench: questions with four options on pictures and on the middle frames of videos."""

import json
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.readers import first_letter
from mix665k.trainer.evaluation.registry import (
    LETTER,
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

_PLACE = "https://huggingface.co/datasets/AILab-CVC/SEED-Bench"


class Asked(msgspec.Struct):
    """`{"question": "…", "choice_a": "One", …, "answer": "A", "data_type": "image", "question_id": "101669", …}`."""

    question: str
    choice_a: str
    choice_b: str
    choice_c: str
    choice_d: str
    answer: str
    data_type: str
    data_id: str
    question_id: str | int
    question_type_id: int


class QuestionFile(msgspec.Struct):
    """`{"questions": […], "question_type": {"Scene Understanding": 1, …}}`."""

    questions: list[Asked]
    question_type: dict[str, int] = {}


def _questions(data: Data, request: Request) -> list[Question]:
    path = data.require("SEED-Bench.json")
    added = prompt_text(SEED_BENCH, request)
    file = read_json(path, QuestionFile)
    names = {number: name for name, number in file.question_type.items()}
    questions = []
    for asked in file.questions:
        if asked.answer not in tuple("ABCD"):
            raise EvaluationError(
                f"{path}: question {asked.question_id}: answer {asked.answer!r}, expected A, B, C or D"
            )
        if request.split and asked.data_type != request.split:
            continue
        options = (asked.choice_a, asked.choice_b, asked.choice_c, asked.choice_d)
        text = f"{asked.question}\n" + "\n".join(
            f"{letter}. {one}" for letter, one in zip("ABCD", options, strict=True)
        )
        image = (
            f"SEED-Bench-image/{asked.data_id}"
            if asked.data_type == "image"
            else f"SEED-Bench-video-image/{asked.question_type_id}_{asked.question_id}.png"
        )
        kind = names.get(asked.question_type_id, str(asked.question_type_id))
        record = (asked.answer, asked.data_type, kind)
        questions.append(
            Question((("id", str(asked.question_id)),), text=text + added, image=image, bare=text, record=record)
        )
    return questions


def _keys(answer: Answer) -> list[Key]:
    return [("id", plain(answer.fields["question_id"]))] if "question_id" in answer.fields else []


def _score(questions: Sequence[Question], texts: Sequence[str | None], request: Request) -> Score:
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    exact: list[bool] = []
    unread = 0
    for question, text in zip(questions, texts, strict=True):
        answer, data_type, kind = question.record
        letter = first_letter(text) if text is not None else None
        unread += letter is None and text is not None
        exact.append(text == answer)
        for name in (*(() if request.split else ("accuracy",)), f"accuracy {data_type}", f"type {kind}"):
            groups[name].append((question.picture, float(letter == answer)))
    score = score_of(means(groups), unread=unread)
    whole = 100 * sum(exact) / len(exact)
    notes = (
        ()
        if whole == next(iter(score.figures.values()))
        else (f"LLaVA's reading, the whole text is the letter: {whole:.2f}",)
    )
    return score._replace(notes=notes)


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """What the leaderboard takes: JSON lines in the order of the file."""
    lines = [
        json.dumps({"question_id": question.keys[0][1], "prediction": text or ""}) + "\n"
        for question, text in zip(questions, texts, strict=True)
    ]
    return [Output("seed_bench_upload.jsonl", "".join(lines).encode())]


SEED_BENCH = register(
    Benchmark(
        name="seed_bench",
        title="SEED-Bench",
        place=_PLACE,
        licence="Apache-2.0",
        num_questions="19,242: 14,233 on pictures, 5,009 on videos",
        metric="accuracy on all, pictures and videos",
        files=(DataFile("seed_bench/SEED-Bench.json", _PLACE),),
        prompts={"letter": LETTER},
        splits=("image", "video"),
        rule=(
            "The first character is the letter, with nothing, `.`, `)` or a space after it. The official protocol "
            "ranks options by likelihood and is another measure."
        ),
        form=Asked.__doc__ or "",
        traps=("The id 49914 is that of two questions: a dict by id loses one.",),
        evidence="The authors' outputs of LLaVA-1.5-13B give 67.55 on the first 2,000 questions on pictures.",
        image_folders=("seed_bench",),
        questions=_questions,
        keys=_keys,
        score=_score,
        outputs=_outputs,
        repeats=True,  # 49914 is the id of two questions
        published_on={"": 19242, "image": 14233, "video": 5009},
        published={"accuracy": (58.6, 61.6), "accuracy image": (66.1, 68.2), "accuracy video": (37.3, 42.7)},
    )
)
