"""Questions about pictures that no training has seen, as a benchmark of one's own for `train eval`."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

NAME = "scenes"
QUESTIONS = "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"
ANNOTATIONS = "vqav2/v2_mscoco_train2014_annotations.json"
BENCHMARK = f"file: {NAME}.jsonl\nscorer: exact\nprompt: short_answer\ntitle: unseen scenes\n"


class Asked(msgspec.Struct):
    """A question of VQAv2's raw file."""

    question_id: int
    image_id: int
    question: str


class Answered(msgspec.Struct):
    """Its annotation."""

    question_id: int
    question_type: str
    answer: str = msgspec.field(name="multiple_choice_answer")


class _Questions(msgspec.Struct):
    questions: list[Asked]


class _Annotations(msgspec.Struct):
    annotations: list[Answered]


class Question(NamedTuple):
    """A question with its right answer and its picture's path below the images' folder."""

    id: int
    kind: str
    text: str
    answer: str
    image: str


class Tally(NamedTuple):
    """How many questions of a kind were asked, and how many answered right."""

    asked: int
    right: int


def read_questions(raw: Path) -> list[Question]:
    """All questions of VQAv2's raw files."""
    answers = msgspec.json.decode((raw / ANNOTATIONS).read_bytes(), type=_Annotations).annotations
    by_id = {one.question_id: one for one in answers}
    return [
        Question(
            id=one.question_id,
            kind=by_id[one.question_id].question_type,
            text=one.question,
            answer=by_id[one.question_id].answer,
            image=f"coco/train2017/{one.image_id:012d}.jpg",
        )
        for one in msgspec.json.decode((raw / QUESTIONS).read_bytes(), type=_Questions).questions
    ]


def write_benchmark(folder: Path, questions: Sequence[Question]) -> Path:
    """Write the questions and the YAML that describes them; gives the YAML's path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        msgspec.json.encode({"id": one.id, "question": one.text, "answer": one.answer, "image": one.image})
        for one in questions
    ]
    (folder / f"{NAME}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    path = folder / f"{NAME}.yaml"
    path.write_text(BENCHMARK)
    return path


def read_answers(results: Path) -> dict[int, str]:
    """What a model answered, by the question's id, out of the folder that `train eval` wrote."""
    [path] = results.rglob("answers.jsonl")
    answers = (msgspec.json.decode(line) for line in path.read_bytes().splitlines())
    return {int(one["question_id"]): str(one["text"]).strip().rstrip(".").lower() for one in answers}


def majority_answers(trained_on: Sequence[Question], asked: Sequence[Question]) -> dict[int, str]:
    """The most common training answer to questions of the same kind: what can be had without looking."""
    answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for question in trained_on:
        answers[question.kind][question.answer] += 1
    return {question.id: answers[question.kind].most_common(1)[0][0] for question in asked}


def tallies(questions: Sequence[Question], answers: dict[int, str]) -> dict[str, Tally]:
    """Right answers by the kind of question, in the order in which kinds occur, and of `all`."""
    found: dict[str, Tally] = {}
    for question in questions:
        right = int(answers[question.id] == question.answer)
        for kind in (question.kind, "all"):
            asked_before, right_before = found.get(kind, Tally(0, 0))
            found[kind] = Tally(asked_before + 1, right_before + right)
    return {**{kind: tally for kind, tally in found.items() if kind != "all"}, "all": found["all"]}
