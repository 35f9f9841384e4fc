"""Anybody's answers to a benchmark, scored: figures with counts, files for a server, one document with all of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError, did_you_mean
from mix665k.schemas.files import os_errors, write_whole
from mix665k.trainer.evaluation.answer_files import Answer, read_answers, read_records
from mix665k.trainer.evaluation.data_files import Data, data_of
from mix665k.trainer.evaluation.intervals import LEVEL, NUM_DRAWS, SEED, Interval, intervals
from mix665k.trainer.evaluation.joining import join
from mix665k.trainer.evaluation.judge import batch_review
from mix665k.trainer.evaluation.registry import Benchmark, Output, Question, Request, Score


class Scored(NamedTuple):
    """What was counted, what came out, and the files to write; `score` is None where the data has no labels."""

    benchmark: Benchmark
    request: Request
    counts: dict[str, int]
    score: Score | None
    outputs: list[Output]
    about: Mapping[str, Any] = {}
    """What was asked, and how, where it was asked here."""
    unlike: tuple[str, ...] = ()
    """Why the questions were not asked as for the published figures."""
    notes: tuple[str, ...] = ()
    judge: str | None = None
    """Who scored the answers, where the reviews say it."""


def score_answers(
    benchmark: Benchmark, *, data: Path, answers: Sequence[Path], request: Request, allow_missing: bool = False
) -> Scored:
    """Answers to a benchmark, or a judge's reviews of them, scored.

    Raises:
        EvaluationError: when the files are missing, damaged, or do not belong together.
    """
    require_offered(benchmark, request if benchmark.judged is None else request._replace(rule=None))
    files = data_of(data, benchmark.files)
    if benchmark.judged is not None:
        return _judged(benchmark, files, answers, request=request, allow_missing=allow_missing)
    if len(answers) > 1:
        raise EvaluationError(
            f"{benchmark.name}: {len(answers)} files of answers, expected one; only reviews of a judge are averaged"
        )
    questions = benchmark.questions(files, request)
    if not questions:
        raise EvaluationError(f"{benchmark.name}: no questions in {data}, expected {benchmark.num_questions}")
    found = read_answers(answers[0])
    texts = join(questions, found, benchmark=benchmark, allow_missing=allow_missing)
    prompt = _stated_prompt(benchmark, files, found, request=request) if len(benchmark.prompts) > 1 else None
    return score_texts(benchmark, files, questions, texts=texts, request=request._replace(prompt=prompt))


def _stated_prompt(benchmark: Benchmark, files: Data, answers: Sequence[Answer], *, request: Request) -> str | None:
    """The prompt by which questions' texts are those beside the answers; None where those have none, or another."""
    stated = {answer.fields[name] for answer in answers for name in ("prompt", "input") if name in answer.fields}
    texts = {text.removeprefix("<image>\n").strip() for text in stated if isinstance(text, str)}
    for name in benchmark.prompts:
        asked = benchmark.questions(files, request._replace(prompt=name))
        if texts and texts <= {question.text.strip() for question in asked}:
            return name
    return None


def score_texts(
    benchmark: Benchmark,
    files: Data,
    questions: Sequence[Question],
    *,
    texts: Sequence[str | None],
    request: Request,
    complete: bool = True,
) -> Scored:
    """The score of a text for each question, None for one without an answer.

    Unless the questions are `complete`, no files for servers are made.

    Raises:
        EvaluationError: when the files do not belong together.
    """
    labelled = all(question.record is not None for question in questions)
    score = benchmark.score(questions, texts, request) if benchmark.score and labelled else None
    outputs = benchmark.outputs(files, questions, texts) if benchmark.outputs and complete else []
    missing = texts.count(None)
    counts = {"asked": len(questions), "answered": len(questions) - missing, "missing": missing}
    return Scored(benchmark, request=request, counts=counts, score=score, outputs=outputs)


def require_offered(benchmark: Benchmark, request: Request) -> None:
    """Refuse a split, a prompt or a rule that a benchmark does not have.

    Raises:
        EvaluationError: with the nearest that it has.
    """
    offered = {"split": benchmark.splits, "prompt": tuple(benchmark.prompts), "rule": benchmark.rules}
    for kind, known in offered.items():
        wanted = getattr(request, kind)
        if wanted and wanted not in known:
            raise EvaluationError(f"{benchmark.name}: no {kind} {wanted!r}{did_you_mean(wanted, known)}")


def _judged(
    benchmark: Benchmark, files: Data, paths: Sequence[Path], *, request: Request, allow_missing: bool
) -> Scored:
    assert benchmark.judged is not None
    runs = [[{**fields, "where": where} for where, fields in read_records(path)] for path in paths]
    for path, run in zip(paths, runs, strict=True):
        if not run:
            raise EvaluationError(f"{path}: holds no reviews, expected one for each question")
    judging = benchmark.judging
    if judging is not None and any("custom_id" in one for run in runs for one in run):
        facts = judging.facts(files)
        runs = [[batch_review(one, judging=judging, facts=facts) for one in run] for run in runs]
    score = benchmark.judged(files, runs, allow_missing)
    counts = {"reviews": sum(map(len, runs))}
    judge = _judge(one for run in runs for one in run)
    return Scored(benchmark, request=request, counts=counts, score=score, outputs=[], judge=judge)


def _judge(reviews: Iterable[Mapping[str, Any]]) -> str | None:
    """The judge that the reviews name; MM-Vet's own grades name one for each run."""
    names: dict[str, Any] = {}
    for one in reviews:
        grades = one["text"].get("model") if isinstance(one.get("text"), dict) else one.get("judge")
        for name in grades if isinstance(grades, list) else [grades]:
            names.setdefault(str(name or "not named"), one["where"])
    if len(names) > 1:
        (first, _), (second, where) = list(names.items())[:2]
        raise EvaluationError(f"{where}: the judge is {second}, of others {first}; their scores do not compare")
    return next((name for name in names if name != "not named"), None)


def prompt_of(scored: Scored) -> str | None:
    """The prompt that was used, by its name; None where answers came from elsewhere and do not say it."""
    prompts = list(scored.benchmark.prompts)
    return scored.request.prompt or (prompts[0] if scored.about or len(prompts) == 1 else None)


def incomparable(scored: Scored) -> str | None:
    """Why the published figures are not those of the same measure; None where they are."""
    benchmark, split = scored.benchmark, scored.request.split or ""
    if not benchmark.published:
        return "no figures are published"
    if scored.unlike:
        return "; ".join(scored.unlike)
    prompt = next(iter(benchmark.prompts))
    if scored.request.prompt not in (None, prompt):
        return f"the prompt is {scored.request.prompt}, theirs {prompt}"
    if benchmark.judged is not None:
        theirs = benchmark.judging.model if benchmark.judging else "another"
        ours = scored.judge or "not known"
        return None if ours == theirs else f"figures of judges do not compare: it is {ours}, the paper's {theirs}"
    if not benchmark.published_on:
        return "how many questions the published figures are of is not known here"
    if split not in benchmark.published_on:
        return f"the published figures are of {', '.join(filter(None, benchmark.published_on))}"
    if (asked := scored.counts["asked"]) != benchmark.published_on[split]:
        return f"{asked:,} questions, the published figures are of {benchmark.published_on[split]:,}"
    if scored.counts["missing"]:
        return f"{scored.counts['missing']:,} questions have no answer"
    if scored.request.rule not in (None, benchmark.rules[0]):
        return f"the rule is that of {scored.request.rule}"
    return None


def intervals_of(scored: Scored) -> dict[str, Interval | None]:
    """The interval of each figure."""
    return intervals(scored.score.parts) if scored.score else {}


def document(scored: Scored) -> dict[str, Any]:
    """The result as `results.json` holds it."""
    score, benchmark = scored.score, scored.benchmark
    published = {name: {"7B": small, "13B": large} for name, (small, large) in benchmark.published.items()}
    return {
        "benchmark": benchmark.name,
        "metric": benchmark.metric,
        "split": scored.request.split or next(iter(benchmark.splits), None),
        "prompt": prompt_of(scored),
        "rule": scored.request.rule or benchmark.rules[0],
        **({"judge": scored.judge} if benchmark.judged else {}),
        "counts": scored.counts | ({"no_reading": score.unread} if score else {}),
        "figures": dict(score.figures) if score else {},
        "intervals": intervals_of(scored),
        "interval": {"level": LEVEL, "draws": NUM_DRAWS, "seed": SEED, "over": "pictures"},
        "notes": [*(score.notes if score else ()), *scored.notes],
        "published": published,
        "comparable": (why := incomparable(scored)) is None,
        "incomparable_because": why,
        **({"asked": dict(scored.about)} if scored.about else {}),
    }


def write_results(scored: Scored, folder: Path) -> None:
    """`results.json` and the benchmark's own files, each complete or absent.

    Raises:
        EvaluationError: when the folder cannot be written.
    """
    with os_errors(EvaluationError, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for output in scored.outputs:
            write_whole(folder / output.name, output.content)
        write_whole(folder / "results.json", msgspec.json.format(msgspec.json.encode(document(scored)), indent=2))
