"""POPE: is there such an object in the picture? Three sets of yes-or-no questions on 500 pictures of COCO."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, read_json_lines
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


class Counts(NamedTuple):
    """How often yes and no were right (`tp`, `tn`) and wrong; a question without an answer counts as wrong."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def precision(self) -> float:
        """Of those answered yes."""
        return 100 * self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        """Of those that are yes."""
        return 100 * self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        """Both, as a harmonic mean; 0 where nothing was answered yes."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.tp else 0.0


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
    by_set: dict[str, list[tuple[bool, bool]]] = {}
    for question, text in zip(questions, texts, strict=True):
        name, label = question.record
        by_set.setdefault(name, []).append((label, pope_yes(text) if text is not None else not label))
    counts = {name: _counts(pairs) for name, pairs in by_set.items()}
    figures = {f"F1 {name}": one.f1 for name, one in counts.items()}
    if len(counts) == len(_SETS):
        figures["mean F1"] = sum(one.f1 for one in counts.values()) / len(_SETS)
    for name, one in counts.items():
        figures[f"accuracy {name}"] = 100 * (one.tp + one.tn) / sum(one)
        figures[f"precision {name}"] = one.precision
        figures[f"recall {name}"] = one.recall
        figures[f"yes ratio {name}"] = 100 * (one.tp + one.fp) / sum(one)
    sizes = ", ".join(f"{name} {sum(one):,}" for name, one in counts.items())
    return Score(figures, notes=(f"questions: {sizes}; the paper's random set has 2,910, the later one 3,000 others",))


def _counts(pairs: Sequence[tuple[bool, bool]]) -> Counts:
    return Counts(
        tp=pairs.count((True, True)),
        fp=pairs.count((False, True)),
        tn=pairs.count((False, False)),
        fn=pairs.count((True, False)),
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
        evidence="The authors' outputs of LLaVA-1.5-13B give the published 87.1, 86.2 and 84.5.",
        questions=_questions,
        keys=_keys,
        score=_score,
        published_on={"": 8910, "random": 2910, "popular": 3000, "adversarial": 3000},
        published={"F1 random": (87.3, 87.1), "F1 popular": (86.1, 86.2), "F1 adversarial": (84.2, 84.5)},
    )
)
