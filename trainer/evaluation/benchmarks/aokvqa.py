"""A-OKVQA: questions that need knowledge, with four options."""

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
    Question,
    Request,
    Score,
    prompt_text,
    register,
    score_of,
)

_PLACE = "https://allenai.org/project/a-okvqa"


class Asked(msgspec.Struct):
    """`{"question_id": "22jb…", "image_id": 461751, "question": "…", "choices": […], "correct_choice_idx": 3, …}`."""

    question_id: str
    image_id: int
    question: str
    choices: list[str]
    correct_choice_idx: int | None = None


def _questions(data: Data, request: Request) -> list[Question]:
    path = data.require("aokvqa_v1p0_val.json")
    added = prompt_text(AOKVQA, request)
    questions = []
    for asked in read_json(path, list[Asked]):
        right = asked.correct_choice_idx
        if (right is not None and not 0 <= right < len(asked.choices)) or len(asked.choices) != 4:
            raise EvaluationError(f"{path}: question {asked.question_id}: choice {right}, expected one of 4, from 0")
        text = f"{asked.question}\n" + "\n".join(
            f"{letter}. {one}" for letter, one in zip("ABCD", asked.choices, strict=True)
        )
        image = f"val2017/{asked.image_id:012d}.jpg"
        questions.append(
            Question((("id", asked.question_id),), text=text + added, image=image, bare=text, record=right)
        )
    return questions


def _keys(answer: Answer) -> list[Key]:
    return [("id", plain(answer.fields["question_id"]))] if "question_id" in answer.fields else []


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score:
    read = [None if text is None else first_letter(text) for text in texts]
    right = []
    for question, letter in zip(questions, read, strict=True):
        if question.record is None:
            raise EvaluationError(f"question {question.keys[0][1]}: no right choice in the file; use the val split")
        right.append((question.picture, float(letter == "ABCD"[question.record])))
    unread = sum(letter is None and text is not None for letter, text in zip(read, texts, strict=True))
    return score_of(means({"accuracy": right}), unread=unread)


AOKVQA = register(
    Benchmark(
        name="aokvqa",
        title="A-OKVQA",
        place=_PLACE,
        licence="Apache-2.0",
        num_questions="val 1,145",
        metric="accuracy of the letter on val",
        files=(DataFile("aokvqa/aokvqa_v1p0_val.json", _PLACE),),
        prompts={"letter": LETTER},
        rule="The first character is the letter, with nothing, `.`, `)` or a space after it.",
        form=Asked.__doc__ or "",
        evidence="The form is checked on real records; no outputs of the authors were at hand.",
        questions=_questions,
        keys=_keys,
        score=_score,
    )
)
