"""LLaVA-Bench (in the wild): open questions, answers graded by a judge beside GPT-4's."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json_lines
from mix665k.trainer.evaluation.parts import Part
from mix665k.trainer.evaluation.registry import (
    MAX_LONG,
    Benchmark,
    Key,
    Question,
    Request,
    Score,
    prompt_text,
    register,
)

_PLACE = "https://huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild"
_NUM_QUESTIONS = 60
_MAX_UNREAD = 0.05


class Asked(msgspec.Struct):
    """`{"question_id": 0, "image": "001.jpg", "category": "conv", "text": "…"}`."""

    question_id: int
    text: str
    image: str
    category: str = ""


class Pair(NamedTuple):
    """A judge's two scores: of GPT-4's answer and of the model's."""

    picture: str
    theirs: float
    ours: float


def _questions(data: Data, request: Request) -> list[Question]:
    added = prompt_text(LLAVA_BENCH, request)
    return [
        Question(
            (("id", str(one.question_id)),), text=one.text + added, image=one.image, bare=one.text, record=one.category
        )
        for _, one in read_json_lines(data.require("questions.jsonl"), Asked)
    ]


def _keys(answer: Answer) -> list[Key]:
    return [("id", plain(answer.fields["question_id"]))] if "question_id" in answer.fields else []


def _judged(data: Data, runs: Sequence[Sequence[Mapping[str, Any]]], allow_missing: bool) -> Score:
    """The mean over reviews of the ratio of mean scores; without the questions at hand, 60 reviews are expected."""
    known = data.find("questions.jsonl")
    asked = {str(one.question_id): one.image for _, one in read_json_lines(known, Asked)} if known else None
    scores = [_one_review(reviews, asked=asked, allow_missing=allow_missing) for reviews in runs]
    names = ["all", *sorted(set(scores[0].figures) - {"all"})]
    figures = {name: sum(score.figures[name] for score in scores) / len(scores) for name in names}
    parts = {
        name: tuple(part._replace(times=part.times / len(scores)) for score in scores for part in score.parts[name])
        for name in names
    }
    notes = [] if asked else ["questions.jsonl is not in --data: the interval is over questions, not pictures"]
    if len(scores) > 1:
        totals = ", ".join(f"{score.figures['all']:.1f}" for score in scores)
        notes.append(f"runs: {totals}")
    return Score(figures, parts, decimals=1, unread=sum(score.unread for score in scores), notes=tuple(notes))


def _one_review(reviews: Sequence[Mapping[str, Any]], *, asked: Mapping[str, str] | None, allow_missing: bool) -> Score:
    pairs: dict[str, list[Pair]] = defaultdict(list)
    seen: set[str] = set()
    unread = 0
    for review in reviews:
        where, category = review["where"], review.get("category")
        pair = review.get("tuple")
        if not isinstance(category, str) or not isinstance(pair, list) or len(pair) != 2:
            raise EvaluationError(
                f"{where}: no review, expected category and tuple; LLaVA-Bench is scored by a judge: give its reviews"
            )
        name = plain(review.get("question_id", review.get("id")))
        if name in seen:
            raise EvaluationError(f"{where}: question {name} is reviewed twice; give each run of the judge as a file")
        if asked is not None and name not in asked:
            raise EvaluationError(f"{where}: question {name} is not in questions.jsonl; are they of the same version?")
        seen.add(name)
        theirs, ours = (_number(one, where=where) for one in pair)
        if min(theirs, ours) < 0:  # LLaVA writes -1, -1 where the judge's first line is no pair of numbers
            unread += 1
            continue
        for group in ("all", category):
            pairs[group].append(Pair(asked[name] if asked else name, theirs=theirs, ours=ours))
    expected = len(asked) if asked is not None else _NUM_QUESTIONS
    if len(seen) != expected and not allow_missing:
        raise EvaluationError(f"{reviews[0]['where']}: {len(seen)} questions are reviewed, expected {expected}")
    if unread > _MAX_UNREAD * len(reviews):
        raise EvaluationError(
            f"{reviews[0]['where']}: {unread} of {len(reviews)} reviews hold no scores; ask the judge again"
        )
    parts = {
        name: (Part([one.picture for one in of], [one.ours for one in of], below=[one.theirs for one in of]),)
        for name, of in pairs.items()
    }
    return Score({name: _ratio(of) for name, of in pairs.items()}, parts, decimals=1, unread=unread)


def _number(value: Any, *, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError(f"{where}: score {value!r}, expected a number")
    return float(value)


def _ratio(pairs: Sequence[Pair]) -> float:
    """The ratio of the means, each rounded to three decimals first, in per cent; not the mean of ratios."""
    theirs = round(sum(one.theirs for one in pairs) / len(pairs), 3)
    ours = round(sum(one.ours for one in pairs) / len(pairs), 3)
    return float(round(ours / theirs * 100, 1))


LLAVA_BENCH = register(
    Benchmark(
        name="llava_bench",
        title="LLaVA-Bench (in the wild)",
        place=_PLACE,
        licence="Apache-2.0, as LLaVA; texts of GPT-4 for research",
        num_questions="60 on 24 pictures",
        metric="the judge's scores relative to those of GPT-4's answers",
        files=(DataFile("llava-bench-in-the-wild/questions.jsonl", _PLACE),),
        prompts={"none": ""},
        max_new_tokens=MAX_LONG,
        rule=(
            "The mean of the judge's scores over that of GPT-4's answers, each rounded to three decimals; of several "
            "reviews the mean. A review without scores is left out, and more than 5 % of them are an error."
        ),
        evidence="GPT-4's three reviews of LLaVA-1.5-13B give the published 72.5.",
        image_folders=("llava-bench-in-the-wild/images",),
        questions=_questions,
        keys=_keys,
        score=None,
        judged=_judged,
        published={"all": (65.4, 72.5)},
    )
)
