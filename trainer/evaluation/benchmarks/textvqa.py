"""TextVQA: questions about text in pictures; the paper's prompt holds what OCR read there."""

from functools import partial
from typing import Any

import msgspec

from mix665k.schemas.prompts import OCR_LINE
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.answers import evalai_score, require_ten
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.people import Labels, score_by_people
from mix665k.trainer.evaluation.registry import SHORT, Benchmark, Key, Question, Request, prompt_text, register

_PLACE = "https://textvqa.org/dataset/"
_RULES = {"official": evalai_score, "lmms-eval": evalai_score}


class Asked(msgspec.Struct):
    """`{"question": "…", "question_id": 34602, "image_id": "003a8ae2ef43b901", "answers": [ten texts]}`."""

    question: str
    question_id: int
    image_id: str
    answers: list[str]


class QuestionFile(msgspec.Struct):
    """`{"data": […], …}`."""

    data: list[Asked]


class Read(msgspec.Struct):
    """`{"image_id": "003a8ae2ef43b901", "ocr_tokens": ["DAKOTA", …]}`."""

    image_id: str
    ocr_tokens: list[str]


class OcrFile(msgspec.Struct):
    """`{"data": […], …}`."""

    data: list[Read]


def _questions(data: Data, request: Request) -> list[Question]:
    path = data.require("TextVQA_0.5.1_val.json")
    added = prompt_text(TEXTVQA, request)
    ocr_path = None if request.prompt == "no-ocr" else data.find("TextVQA_Rosetta_OCR_v0.2_val.json")
    ocr = {one.image_id: one.ocr_tokens for one in read_json(ocr_path, OcrFile).data} if ocr_path else {}
    questions = []
    for asked in read_json(path, QuestionFile).data:
        require_ten(asked.answers, where=f"{path}: question {asked.question_id}")
        keys = (("question", asked.image_id, asked.question.lower()), ("id", str(asked.question_id)))
        text = asked.question.capitalize()
        if request.prompt != "no-ocr":
            text += ocr_line(ocr.get(asked.image_id, []))
        image = f"train_images/{asked.image_id}.jpg"
        questions.append(
            Question(keys, text=text + added, image=image, bare=asked.question, record=Labels(tuple(asked.answers), ""))
        )
    return questions


def ocr_line(tokens: list[str]) -> str:
    """The line after a question: what OCR read in the picture; it ends in `: ` where that is nothing."""
    return f"\n{OCR_LINE} {', '.join(tokens)}"


def _keys(answer: Answer) -> list[Key]:
    fields = answer.fields
    keys: list[Key] = []
    image: Any = fields.get("image_id", fields.get("question_id"))
    asked = fields.get("question", fields.get("prompt"))
    if image is not None and isinstance(asked, str):
        question = asked.removeprefix("<image>\n").partition(f"\n{OCR_LINE}")[0].removesuffix(SHORT)
        keys.append(("question", str(image), question.lower()))
    if "question_id" in fields and plain(fields["question_id"]).isdigit():
        keys.append(("id", plain(fields["question_id"])))
    return keys


TEXTVQA = register(
    Benchmark(
        name="textvqa",
        title="TextVQA",
        place=_PLACE,
        licence="CC BY 4.0",
        num_questions="val 5,000 on 3,166 pictures",
        metric="accuracy on val, with OCR tokens in the prompt",
        files=(
            DataFile("textvqa/TextVQA_0.5.1_val.json", _PLACE),
            DataFile("textvqa/TextVQA_Rosetta_OCR_v0.2_val.json", place=_PLACE, llava="", optional=True),
        ),
        prompts={"ocr": SHORT, "no-ocr": SHORT},
        rules=tuple(_RULES),
        rule=(
            "The question is asked in lower case but for its first letter; the prompt `ocr` has a line after it, "
            f"`{OCR_LINE}` and the tokens. The score is the mean over ten people of min(1, matches among the other "
            "nine / 3), both sides normalised. LLaVA's question ids are those of pictures: answers are joined by "
            "picture and question."
        ),
        form=Asked.__doc__ or "",
        traps=(
            "LLaVA's question ids are those of pictures: joined by them alone the first 1,000 give 43.5 for 62.7.",
            "The simple rule min(1, n / 3) gives 63.6 for 62.7.",
            "Without OCR tokens in the prompt others report 46 to 49, with them 58 to 61.",
        ),
        evidence="The authors' outputs of LLaVA-1.5-13B give 62.71 on the first 1,000 questions.",
        image_folders=("textvqa",),
        files_to_ask={"ocr": "TextVQA_Rosetta_OCR_v0.2_val.json"},
        llava_id=lambda question: question.keys[0][1],
        questions=_questions,
        keys=_keys,
        score=partial(score_by_people, rules=_RULES),
        published_on={"": 5000},
        published={"accuracy": (58.2, 61.3)},
    )
)
