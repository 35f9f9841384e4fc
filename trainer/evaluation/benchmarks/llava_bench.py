"""LLaVA-Bench (in the wild): open questions, answers graded by a judge beside GPT-4's."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json, read_json_lines
from mix665k.trainer.evaluation.parts import Part
from mix665k.trainer.evaluation.registry import (
    MAX_LONG,
    Benchmark,
    JudgeRequest,
    Judging,
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
_SYSTEM = "You are a helpful and precise assistant for checking the quality of the answer."
"""What LLaVA's eval_gpt_review_bench.py says to the judge, with its temperature and length."""


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


class Picture(msgspec.Struct):
    """`{"image": "001.jpg", "caption": "…"}`; what the judge, which sees no picture, is given in its place."""

    image: str
    caption: str | list[str]


class Answered(msgspec.Struct):
    """`{"question_id": 0, "text": "…"}`: GPT-4's answer."""

    question_id: int
    text: str


class Rule(msgspec.Struct):
    """`"llava_bench_conv": {"prompt": "…", "role": "Assistant"}`."""

    prompt: str
    role: str


def _requests(data: Data, asked: Sequence[tuple[Question, str]], instructions: Path) -> list[JudgeRequest]:
    captions = {one.image: one.caption for _, one in read_json_lines(data.require("context.jsonl"), Picture)}
    path = data.require("answers_gpt4.jsonl")
    theirs = {str(one.question_id): one.text for _, one in read_json_lines(path, Answered)}
    rules = read_json(instructions, dict[str, Rule])
    requests = []
    for question, text in asked:
        name, category = question.keys[0][1], f"llava_bench_{question.record}"
        missing = [
            where
            for where, has in (
                (f"{instructions}: no rule {category}", category in rules),
                (f"context.jsonl: no caption of {question.image}", question.image in captions),
                (f"{path}: no answer to question {name}", name in theirs),
            )
            if not has
        ]
        if missing:
            raise EvaluationError(f"{missing[0]}, expected one; are the files of the same version?")
        caption, rule = captions[str(question.image)], rules[category]
        lines = caption if isinstance(caption, str) else "\n".join(caption)
        content = f"[Context]\n{lines}\n\n[Question]\n{question.bare}\n\n"
        for number, answer in enumerate((theirs[name], text), start=1):
            content += f"[{rule.role} {number}]\n{answer}\n\n[End of {rule.role} {number}]\n\n"
        content += f"[System]\n{rule.prompt}\n\n"
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": content}]
        requests.append(JudgeRequest(name, {"messages": messages, "temperature": 0.2, "max_tokens": MAX_LONG}))
    return requests


def _pair(content: str) -> dict[str, Any] | None:
    """The two numbers of a reply's first line, between them a space or a comma."""
    words = content.partition("\n")[0].replace(",", " ").split()
    try:
        pair = [float(word) for word in words]
    except ValueError:
        return None
    return {"tuple": pair} if len(pair) == 2 and all(math.isfinite(one) and one >= 0 for one in pair) else None


def _facts(data: Data) -> dict[str, dict[str, str]]:
    asked = read_json_lines(data.require("questions.jsonl"), Asked)
    return {str(one.question_id): {"category": f"llava_bench_{one.category}"} for _, one in asked}


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
                f"{where}: no review, expected category and tuple; LLaVA-Bench is scored by a judge: give its "
                "reviews, or --judge"
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
        licence="Apache-2.0, as its dataset card says; texts of GPT-4 for research",
        num_questions="60 on 24 pictures",
        metric="the judge's scores relative to those of GPT-4's answers",
        files=(
            DataFile("llava-bench-in-the-wild/questions.jsonl", _PLACE),
            DataFile("llava-bench-in-the-wild/context.jsonl", place=_PLACE, llava="", optional=True),
            DataFile("llava-bench-in-the-wild/answers_gpt4.jsonl", place=_PLACE, llava="", optional=True),
        ),
        prompts={"none": ""},
        max_new_tokens=MAX_LONG,
        rule=(
            "The mean of the judge's scores over that of GPT-4's answers, each rounded to three decimals; of several "
            "reviews the mean. A review without scores is left out, and more than 5 % of them are an error."
        ),
        form=Asked.__doc__ or "",
        traps=(
            "The mean of ratios, question by question, gives 74.2 where the ratio of means gives 72.8.",
            "LLaVA's script writes `-1, -1` where the judge's first line is no pair of numbers, and averages it in.",
        ),
        evidence="GPT-4's three reviews of LLaVA-1.5-13B give the published 72.5.",
        image_folders=("llava-bench-in-the-wild/images",),
        questions=_questions,
        keys=_keys,
        score=None,
        judged=_judged,
        judging=Judging(
            option="--rule",
            model="gpt-4-0314",
            requests=_requests,
            read=_pair,
            unread={"tuple": [-1, -1]},
            facts=_facts,
        ),
        published={"all": (65.4, 72.5)},
    )
)
