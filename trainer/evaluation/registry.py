"""What a benchmark is: its files, prompts, rule and evidence, and three pure functions: questions, keys, score."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError, did_you_mean
from mix665k.schemas.prompts import RESPONSE_FORMATS
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile
from mix665k.trainer.evaluation.parts import Part, figures_of

SHORT, LETTER = (f"\n{RESPONSE_FORMATS[name]}" for name in ("short_answer", "option_letter"))
"""Table 8 of the paper (arXiv 2310.03744), as LLaVA's question files have it: with an ASCII apostrophe."""
MAX_SHORT, MAX_LONG = 128, 1024
"""Tokens of an answer, as LLaVA's scripts limit them."""

Key = tuple[str, ...]
"""What a question or an answer is found by; its first item says by what."""


class Question(NamedTuple):
    """One question: `text` is the user's turn without `<image>`, `image` a path in the benchmark's image folder."""

    keys: tuple[Key, ...]
    text: str
    image: str | None
    bare: str
    record: Any

    @property
    def picture(self) -> str:
        """What is drawn at once for intervals: the picture, else the question itself."""
        return self.image or " ".join(self.keys[0])


class Request(NamedTuple):
    """Which of a benchmark's forms is asked for; None is its default."""

    split: str | None = None
    prompt: str | None = None
    rule: str | None = None


class Score(NamedTuple):
    """Figures of a benchmark, the published one first, and what they are made of, for their intervals.

    `unread` answers have no reading and count as wrong.
    """

    figures: Mapping[str, float]
    parts: Mapping[str, Sequence[Part]]
    decimals: int = 2
    unread: int = 0
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def score_of(parts: Mapping[str, Sequence[Part]], *, unread: int = 0, notes: tuple[str, ...] = ()) -> Score:
    """The score whose figures these parts give."""
    return Score(figures_of(parts), parts, unread=unread, notes=notes)


class Output(NamedTuple):
    """A file for a server or for the official program."""

    name: str
    content: bytes


class JudgeRequest(NamedTuple):
    """What a judge is asked about one answer: the body of a chat completion, without the model."""

    name: str
    body: Mapping[str, Any]


class Judging(NamedTuple):
    """How a judge is asked about answers, and how its replies are read.

    `option` names the option of the file with its instructions, `model` is the paper's judge. `read` gives the fields
    of a review that a reply holds, None where it holds no grade; then the review has those of `unread`. `facts` are the
    other fields, by question.
    """

    option: str
    model: str
    requests: Callable[[Data, Sequence[tuple[Question, str]], Path], list[JudgeRequest]]
    read: Callable[[str], Mapping[str, Any] | None]
    unread: Mapping[str, Any]
    facts: Callable[[Data], Mapping[str, Mapping[str, Any]]]


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark.

    `prompts` are what is added to a question, by name, the paper's first. `keys` are those of an answer, best first.
    `score` gets a text for each question, None for one without an answer; it gives None where the data has no labels,
    and is None where a judge scores. With `repeats`, several questions may share a key, in the order of the file.
    `published` are the paper's figures of the 7B and 13B models, by the name of a figure, and `published_on` the
    questions of each split that they are of; that of no split is called "". `image_folders` are where pictures may be
    in `--images`, our layout first, then LLaVA's; where the data holds them, `pictures` gives the bytes of each name.
    """

    name: str
    title: str
    place: str
    licence: str
    num_questions: str
    metric: str
    files: tuple[DataFile, ...]
    prompts: Mapping[str, str]
    rule: str
    evidence: str
    form: str
    """One record of its file."""
    traps: tuple[str, ...] = ()
    """What others' scorers got wrong, with what it cost on the authors' outputs."""
    questions: Callable[[Data, Request], list[Question]]
    keys: Callable[[Answer], list[Key]]
    score: Callable[[Sequence[Question], Sequence[str | None], Request], Score | None] | None
    outputs: Callable[[Data, Sequence[Question], Sequence[str | None]], list[Output]] | None = None
    repeats: bool = False
    max_new_tokens: int = MAX_SHORT
    splits: tuple[str, ...] = ()
    rules: tuple[str, ...] = ("official",)
    published: Mapping[str, tuple[float, float]] = {}
    published_on: Mapping[str, int] = {}
    image_folders: tuple[str, ...] = ("",)
    pictures: Callable[[Data], Mapping[str, bytes]] | None = None
    files_to_ask: Mapping[str, str] = {}
    """The file that a question's text needs with a prompt, by the prompt's name, where scores do not need it."""
    llava_id: Callable[[Question], int | str] | None = None
    """The `question_id` of LLaVA's files; by default the id, a number where it is one, or the picture's path."""
    scored_together: bool = False
    """Whether a score is of all questions on a picture, so that a draw takes all of them or none."""
    judged: Callable[[Data, Sequence[Sequence[Mapping[str, Any]]], bool], Score] | None = None
    judging: Judging | None = None


BENCHMARKS: dict[str, Benchmark] = {}


def register(benchmark: Benchmark) -> Benchmark:
    """Put a benchmark into the registry."""
    assert benchmark.name not in BENCHMARKS, benchmark.name
    BENCHMARKS[benchmark.name] = benchmark
    return benchmark


def by_name(name: str) -> Benchmark:
    """A benchmark.

    Raises:
        EvaluationError: when there is none of this name.
    """
    known = {one.name: one for one in all_benchmarks()}
    if name not in known:
        raise EvaluationError(f"no benchmark {name!r}{did_you_mean(name, known)}")
    return known[name]


def all_benchmarks() -> list[Benchmark]:
    """All benchmarks, by name."""
    from mix665k.trainer.evaluation import benchmarks  # noqa: F401, fills the registry

    return [BENCHMARKS[name] for name in sorted(BENCHMARKS)]


def questions_to_ask(benchmark: Benchmark, data: Data, request: Request) -> list[Question]:
    """The questions with all that their texts need; a score can do without some of it.

    Raises:
        EvaluationError: when a file is missing or damaged.
    """
    if needed := benchmark.files_to_ask.get(request.prompt or next(iter(benchmark.prompts))):
        data.require(needed)
    return benchmark.questions(data, request)


def prompt_text(benchmark: Benchmark, request: Request) -> str:
    """The text that a prompt of this name adds to a question.

    Raises:
        EvaluationError: when the benchmark has no such prompt.
    """
    name = request.prompt or next(iter(benchmark.prompts))
    if name not in benchmark.prompts:
        raise EvaluationError(f"{benchmark.name}: no prompt {name!r}{did_you_mean(name, benchmark.prompts)}")
    return benchmark.prompts[name]
