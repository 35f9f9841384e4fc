"""VQAv2: open questions on pictures of COCO, each with the answers of ten people."""

import json
from collections.abc import Sequence
from functools import partial

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.answers import (
    always_vqa_score,
    evalai_normalised,
    official_vqa_score,
    require_ten,
)
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json
from mix665k.trainer.evaluation.people import Labels, score_by_people
from mix665k.trainer.evaluation.registry import (
    SHORT,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    by_name,
    prompt_text,
    register,
)

_PLACE = "https://visualqa.org/download.html"
_IMAGES = {"val": "val2014/COCO_val2014_{:012d}.jpg", "test-dev": "test2015/COCO_test2015_{:012d}.jpg"}
_RULES = {"official": official_vqa_score, "lmms-eval": always_vqa_score}


class Asked(msgspec.Struct, gc=False):
    """`{"image_id": 262144, "question": "…", "question_id": 262144000}`."""

    image_id: int
    question: str
    question_id: int


class QuestionFile(msgspec.Struct):
    """`{"questions": […], …}`."""

    questions: list[Asked]


class OneAnswer(msgspec.Struct, gc=False):
    """What one person answered."""

    answer: str


class Annotation(msgspec.Struct, gc=False):
    """`{"question_id": 262148000, "answers": [ten of {"answer": "…"}], "answer_type": "other"}`."""

    question_id: int
    answers: list[OneAnswer]
    answer_type: str


class AnnotationFile(msgspec.Struct):
    """`{"annotations": […], …}`."""

    annotations: list[Annotation]


def _questions(data: Data, request: Request, *, name: str) -> list[Question]:
    benchmark = by_name(name)
    split = request.split or "val"
    names = [file.path.rpartition("/")[2] for file in benchmark.files]
    added = prompt_text(benchmark, request)
    path = data.require(names[0] if split == "val" else names[2])
    labels = _labels(data, names[1]) if split == "val" else {}
    questions = []
    for asked in read_json(path, QuestionFile).questions:
        if split == "val" and asked.question_id not in labels:
            raise EvaluationError(
                f"{path}: question {asked.question_id} has no annotation in {names[1]}; download both again"
            )
        image = _IMAGES[split].format(asked.image_id)
        key = ("id", str(asked.question_id))
        questions.append(
            Question(
                (key,),
                text=asked.question + added,
                image=image,
                bare=asked.question,
                record=labels.get(asked.question_id),
            )
        )
    return questions


def _labels(data: Data, name: str) -> dict[int, Labels]:
    path = data.require(name)
    labels = {}
    for one in read_json(path, AnnotationFile).annotations:
        people = tuple([answer.answer for answer in one.answers])
        require_ten(people, where=f"{path}: question {one.question_id}")
        labels[one.question_id] = Labels(people, one.answer_type)
    return labels


def _keys(answer: Answer) -> list[Key]:
    return [("id", plain(answer.fields["question_id"]))] if "question_id" in answer.fields else []


def _outputs(data: Data, questions: Sequence[Question], texts: Sequence[str | None], *, name: str) -> list[Output]:
    """What the server takes: normalised answers; of a test split to all of test2015, none where it was not asked."""
    said = {int(one.keys[0][1]): evalai_normalised(text or "") for one, text in zip(questions, texts, strict=True)}
    ids = list(said)
    if any(question.record is None for question in questions):
        path = data.require("v2_OpenEnded_mscoco_test2015_questions.json")
        ids = [asked.question_id for asked in read_json(path, QuestionFile).questions]
        if strangers := said.keys() - set(ids):
            raise EvaluationError(f"{path}: has no question {min(strangers)}, which test-dev asks; download both again")
    answers = [{"question_id": one, "answer": said.get(one, "")} for one in ids]
    return [Output(f"{name}_upload.json", json.dumps(answers).encode())]


register(
    Benchmark(
        name="vqav2",
        title="VQAv2",
        place=_PLACE,
        licence="CC BY 4.0",
        num_questions="val2014 214,354; test-dev2015 107,394",
        metric="accuracy on test-dev, which only the server knows; scored at home on val",
        files=(
            DataFile("vqav2/v2_OpenEnded_mscoco_val2014_questions.json", _PLACE),
            DataFile("vqav2/v2_mscoco_val2014_annotations.json", _PLACE),
            DataFile("vqav2/v2_OpenEnded_mscoco_test-dev2015_questions.json", place=_PLACE, llava="", optional=True),
            DataFile("vqav2/v2_OpenEnded_mscoco_test2015_questions.json", place=_PLACE, llava="", optional=True),
        ),
        prompts={"short": SHORT},
        splits=("val", "test-dev"),
        rules=tuple(_RULES),
        rule=(
            "The mean over ten people of min(1, matches among the other nine / 3). Both sides are normalised, but "
            "neither where all ten answers agree; lmms-eval always normalises."
        ),
        form=Asked.__doc__ or "",
        traps=(
            "Where all ten answers agree the official program normalises nothing: raw text such as `Yes` scores 67.2 "
            "for 87.0, so answers are normalised before they are uploaded.",
            "Always normalising, as lmms-eval does, gives 87.13 for 86.95.",
        ),
        evidence="Made-up predictions for 3,000 real questions give what the official program gives.",
        questions=partial(_questions, name="vqav2"),
        keys=_keys,
        score=partial(score_by_people, rules=_RULES),
        outputs=partial(_outputs, name="vqav2"),
        published_on={"test-dev": 107394},
        published={"accuracy": (78.5, 80.0)},
    )
)

register(
    Benchmark(
        name="okvqa",
        title="OK-VQA",
        place="https://okvqa.allenai.org/download.html",
        licence="CC BY 4.0",
        num_questions="val2014 5,046",
        metric="accuracy on val",
        files=(
            DataFile("okvqa/OpenEnded_mscoco_val2014_questions.json", "https://okvqa.allenai.org/download.html"),
            DataFile("okvqa/mscoco_val2014_annotations.json", "https://okvqa.allenai.org/download.html"),
        ),
        prompts={"short": SHORT},
        rules=tuple(_RULES),
        splits=("val",),
        rule="That of VQAv2, on ten answers.",
        form=Asked.__doc__ or "",
        evidence="The rule is that of vqav2; no outputs of the authors were at hand.",
        questions=partial(_questions, name="okvqa"),
        keys=_keys,
        score=partial(score_by_people, rules=_RULES),
    )
)
