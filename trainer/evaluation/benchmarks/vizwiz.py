"""VizWiz: questions of blind people on their own photos, many of them unanswerable."""

import json
from collections.abc import Sequence
from functools import partial

import msgspec

from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.answers import evalai_normalised, evalai_score, require_ten, vizwiz_score
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.people import Labels, score_by_people
from mix665k.trainer.evaluation.registry import (
    SHORT,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    prompt_text,
    register,
)

_UNANSWERABLE = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
_RULES = {"official": vizwiz_score, "lmms-eval": evalai_score}
_PLACE = "https://vizwiz.org/tasks-and-datasets/vqa/, Annotations.zip"


class OneAnswer(msgspec.Struct):
    """What one person answered."""

    answer: str


class Asked(msgspec.Struct):
    """`{"image": "VizWiz_val_00000000.jpg", "question": "…", "answers": […], "answer_type": "other"}`."""

    image: str
    question: str
    answers: list[OneAnswer] | None = None
    answer_type: str = ""


def _questions(data: Data, request: Request) -> list[Question]:
    split = request.split or "val"
    path = data.require(f"{split}.json")
    added = prompt_text(VIZWIZ, request)
    questions = []
    for place, asked in enumerate(read_json(path, list[Asked])):
        labels = None
        if asked.answers is not None:
            people = tuple(one.answer for one in asked.answers)
            require_ten(people, where=f"{path}: {asked.image}")
            labels = Labels(people, asked.answer_type)
        text = asked.question.capitalize()
        keys = (("image", asked.image), ("id", str(place)))
        questions.append(
            Question(keys, text=text + added, image=f"{split}/{asked.image}", bare=asked.question, record=labels)
        )
    return questions


def _keys(answer: Answer) -> list[Key]:
    if "image" in answer.fields:
        return [("image", str(answer.fields["image"]))]
    name = plain(answer.fields["question_id"]) if "question_id" in answer.fields else ""
    return [("id" if name.isdigit() else "image", name)] if name else []


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """What the server takes, in the order of the file."""
    answers = [
        {"image": question.keys[0][1], "answer": evalai_normalised(text or "")}
        for question, text in zip(questions, texts, strict=True)
    ]
    return [Output("vizwiz_upload.json", json.dumps(answers, indent=1).encode())]


VIZWIZ = register(
    Benchmark(
        name="vizwiz",
        title="VizWiz",
        place=_PLACE,
        licence="CC BY 4.0",
        num_questions="val 4,319; test 8,000",
        metric="accuracy on test, which only the server knows; scored at home on val",
        files=(
            DataFile("vizwiz/val.json", _PLACE),
            DataFile("vizwiz/test.json", place=_PLACE, llava="", optional=True),
        ),
        prompts={"unanswerable": _UNANSWERABLE + SHORT, "short": SHORT},
        splits=("val", "test"),
        rules=tuple(_RULES),
        rule=(
            "The question is asked in lower case but for its first letter. The score is the mean over ten people of "
            "min(1, matches among the other nine / 3), by position. The prediction is normalised, people's answers are "
            "not; lmms-eval normalises both as TextVQA does."
        ),
        form=Asked.__doc__ or "",
        traps=(
            "People's answers have no id: leaving out all equal ones, not one by position, gives the constant answer "
            "`unanswerable` 57.6 for 68.1.",
        ),
        evidence="The upload made of the authors' outputs of LLaVA-1.5-13B is theirs, byte for byte.",
        image_folders=("vizwiz",),
        questions=_questions,
        keys=_keys,
        score=partial(score_by_people, rules=_RULES),
        outputs=_outputs,
        published_on={"test": 8000},
        published={"accuracy": (50.0, 53.6)},
    )
)
