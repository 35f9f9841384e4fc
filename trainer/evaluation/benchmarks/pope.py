"""POPE: is there such an object in the picture? Three sets of yes-or-no questions on 500 pictures of COCO."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, read_json_lines
from mix665k.trainer.evaluation.parts import Part
from mix665k.trainer.evaluation.readers import pope_yes
from mix665k.trainer.evaluation.registry import (
    SHORT,
    Benchmark,
    Key,
    Question,
    Request,
    Score,
    prompt_text,
    register,
    score_of,
)

_OFFSETS = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}
"""What LLaVA adds to the ids of each set."""
_SETS = ("random", "popular", "adversarial")
_PLACE = "https://github.com/AoiDragon/POPE"


class Asked(msgspec.Struct):
    """`{"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a …?", "label": "yes"}`."""

    question_id: int
    image: str
    text: str
    label: str


class Said(NamedTuple):
    """One question: its picture, whether yes is right, and whether yes was answered."""

    picture: str
    label: bool
    yes: bool


def _questions(data: Data, request: Request) -> list[Question]:
    added = prompt_text(POPE, request)
    questions = []
    for name in [request.split] if request.split else _SETS:
        path = data.require(f"coco_pope_{name}.json")
        for number, asked in read_json_lines(path, Asked):
            if asked.label not in ("yes", "no"):
                raise EvaluationError(f"{path}: line {number:,}: label {asked.label!r}, expected yes or no")
            keys = (("question", name, asked.image, asked.text), ("id", str(asked.question_id + _OFFSETS[name])))
            questions.append(
                Question(
                    keys,
                    text=asked.text + added,
                    image=asked.image,
                    bare=asked.text,
                    record=(name, asked.label == "yes"),
                )
            )
    return questions


def _keys(answer: Answer) -> list[Key]:
    fields = answer.fields
    keys: list[Key] = []
    image = fields.get("image") or fields.get("image_source")
    asked = fields.get("question") or str(fields.get("prompt", "")).partition("\n")[0]
    if image and asked and fields.get("category"):
        image = str(image) if "." in str(image) else f"{image}.jpg"
        return [("question", str(fields["category"]), image, str(asked).partition("\n")[0])]
    if "question_id" in fields:
        keys.append(("id", str(fields["question_id"])))
    return keys


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score:
    by_set: dict[str, list[Said]] = {}
    for question, text in zip(questions, texts, strict=True):
        name, label = question.record
        yes = pope_yes(text) if text is not None else not label  # a question without an answer counts as wrong
        by_set.setdefault(name, []).append(Said(question.picture, label=label, yes=yes))
    f1 = {name: _f1(said) for name, said in by_set.items()}
    parts: dict[str, tuple[Part, ...]] = {f"F1 {name}": (part,) for name, part in f1.items()}
    if len(f1) == len(_SETS):
        parts["mean F1"] = tuple(part._replace(times=part.times / len(_SETS)) for part in f1.values())
    for name, said in by_set.items():
        hits = [float(one.label and one.yes) for one in said]
        said_yes = [float(one.yes) for one in said]
        pictures = [one.picture for one in said]
        parts[f"accuracy {name}"] = (Part(pictures, [float(one.label == one.yes) for one in said]),)
        parts[f"precision {name}"] = (Part(pictures, hits, below=said_yes, empty=0.0),)
        parts[f"recall {name}"] = (Part(pictures, hits, below=[float(one.label) for one in said], empty=0.0),)
        parts[f"yes ratio {name}"] = (Part(pictures, said_yes),)
    sizes = ", ".join(f"{name} {len(said):,}" for name, said in by_set.items())
    note = f"questions: {sizes}; the paper's random set has 2,910, the later one 3,000 others"
    return score_of(parts, notes=(note,))


def _f1(said: Sequence[Said]) -> Part:
    """The harmonic mean of precision and recall, as one ratio: 2 tp / (2 tp + fp + fn); 0 where all is no."""
    return Part(
        [one.picture for one in said],
        [2.0 * (one.label and one.yes) for one in said],
        below=[float(one.label) + float(one.yes) for one in said],
        empty=0.0,
    )


POPE = register(
    Benchmark(
        name="pope",
        title="POPE",
        place=_PLACE,
        licence="MIT",
        num_questions="2,910 random, 3,000 popular, 3,000 adversarial",
        metric="F1 of each set, yes being positive",
        files=tuple(
            DataFile(
                f"pope/coco_pope_{name}.json",
                place=f"{_PLACE}, commit e3e3926, output/coco",
                llava=f"pope/coco/coco_pope_{name}.json",
            )
            for name in _SETS
        ),
        prompts={"short": SHORT},
        splits=_SETS,
        rule=(
            "The text before the first period, commas deleted, split at spaces: no where `No`, `no` or `not` is a "
            "word, else yes. Answers are joined by set, picture and question: labels by line give 45.7 for "
            "87.1 with the later random file."
        ),
        form=Asked.__doc__ or "",
        traps=(
            "Today's `random` file has 3,000 other questions in another order; labels by line give F1 45.7 for 87.1.",
            "lmms-eval wants the entire text to be yes or no, and its yes ratio is that of the labels.",
            "F1 of the pooled answers is 85.93, the mean of the three sets 85.95.",
        ),
        evidence="The authors' outputs of LLaVA-1.5-13B give the published 87.1, 86.2 and 84.5.",
        image_folders=("val2014", "pope/val2014"),
        questions=_questions,
        keys=_keys,
        score=_score,
        published_on={"": 8910, "random": 2910, "popular": 3000, "adversarial": 3000},
        published={"F1 random": (87.3, 87.1), "F1 popular": (86.1, 86.2), "F1 adversarial": (84.2, 84.5)},
    )
)
