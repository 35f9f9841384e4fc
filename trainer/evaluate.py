"""`train eval`: benchmarks asked of a model, the answers kept as they come, scored beside the published figures."""

import hashlib
import importlib.metadata
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import os_errors, sha256_of, write_whole
from mix665k.schemas.terminal import open_console, text_column
from mix665k.trainer.evaluation.batches import Prompt, plan
from mix665k.trainer.evaluation.data_files import Data, data_of
from mix665k.trainer.evaluation.journal import Entry, Header, Journal, only_writer, read_journals
from mix665k.trainer.evaluation.llava_answers import answer_lines
from mix665k.trainer.evaluation.own import read_own
from mix665k.trainer.evaluation.pictures import (
    Picture,
    digest_of,
    image_folder,
    load_ahead,
    require_pictures,
    unpack_pictures,
    without_picture,
)
from mix665k.trainer.evaluation.registry import Benchmark, Question, Request, by_name, questions_to_ask
from mix665k.trainer.evaluation.score import Scored, require_offered, score_texts, write_results

_ANSWERS = "answers.jsonl"


class Settings(NamedTuple):
    """How benchmarks are asked; `rows` is the largest batch, None for as many as fit."""

    data: Path
    images: Path
    out: Path
    request: Request
    limit: int | None = None
    rows: int | None = None
    nproc: int = 1
    exact: bool = False
    blank: bool = False
    allow_missing: bool = False


class Work(NamedTuple):
    """What a rank has to do, as another process can be given it; `done` are the questions that are not to be asked."""

    model: str
    benchmark: str
    settings: Settings
    header: Header
    done: frozenset[int]


class Asked(NamedTuple):
    """A benchmark's questions and where everything about them is; known without the model.

    `missing` are the questions that are not asked, for want of their pictures.
    """

    benchmark: Benchmark
    files: Data
    questions: list[Question]
    images: Path
    out: Path
    missing: frozenset[int]


def evaluate(model: str, benchmarks: Sequence[str], settings: Settings) -> Iterator[Scored]:
    """The score of each benchmark, written with the answers into a folder of `out` with its name.

    Raises:
        UserError: for whatever the user can fix; all files are looked at before the model is.
    """
    every = [_asked(name, settings) for name in benchmarks]
    from mix665k.trainer.evaluated_model import open_subject
    from mix665k.trainer.run.ranks import quieten

    quieten()
    subject = open_subject(model, exact=settings.exact)
    subject = subject._replace(load=cache(subject.load))
    weights = subject.weights()
    for name, asked in zip(benchmarks, every, strict=True):
        with only_writer(asked.out):
            prompts = subject.prompts(asked.questions)
            header = _header(subject, asked, prompts, weights=weights, settings=settings)
            done = read_journals(asked.out, header)
            _require_unchanged(done, asked, prompts)
            work = Work(model, benchmark=name, settings=settings, header=header, done=asked.missing.union(done))
            if len(work.done) < len(prompts):
                _ask(work, asked=asked, subject=subject)
                done = read_journals(asked.out, header)
            yield _result(asked, done, settings, header=header, subject=subject)


def _asked(name: str, settings: Settings) -> Asked:
    """What a benchmark asks.

    Raises:
        EvaluationError: when a file or a picture is missing or damaged, or nothing is left to ask.
    """
    benchmark = read_own(Path(name)) if name.endswith((".yaml", ".yml")) else by_name(name)
    require_offered(benchmark, settings.request)
    files = data_of(settings.data, benchmark.files)
    questions = questions_to_ask(benchmark, files, settings.request)[: settings.limit]
    if not questions:
        what = "--limit 0" if settings.limit == 0 else f"{settings.data}"
        raise EvaluationError(f"{benchmark.name}: no questions with {what}, expected {benchmark.num_questions}")
    out = settings.out / benchmark.name
    if benchmark.pictures is not None:
        names = {question.image for question in questions}
        held = {name: content for name, content in benchmark.pictures(files).items() if name in names}
        images = unpack_pictures(held, out / "pictures")
    else:
        images = image_folder(benchmark, questions, images=settings.images)
    absent = frozenset[int]()
    if settings.allow_missing:
        absent = without_picture(questions, images)
    elif not settings.blank:
        require_pictures(questions, images)
    return Asked(benchmark, files=files, questions=questions, images=images, out=out, missing=absent)


def _header(subject: Any, asked: Asked, prompts: Sequence[Prompt], *, weights: str, settings: Settings) -> Header:
    """What the answers depend on. In half precision the size of a batch may change an answer, so it is among it."""
    benchmark, request = asked.benchmark, settings.request
    header: dict[str, Any] = {
        "benchmark": benchmark.name,
        "split": request.split or "",
        "prompt": request.prompt or next(iter(benchmark.prompts)),
        "model": {"weights": weights, **subject.facts},
        "data": _data_hashes(asked.files),
        "questions": _digest(*((prompt.ids, prompt.image) for prompt in prompts)),
        "generation": {
            "decoding": "greedy",
            "max_new_tokens": benchmark.max_new_tokens,
            "end_tokens": sorted(subject.ends),
            "on_bad_image": "blank" if settings.blank else "fail",
        },
        "versions": {name: importlib.metadata.version(name) for name in ("mix665k", "torch", "transformers")},
    }
    if subject.facts["dtype"] != "float32":
        header["generation"] |= {"batch": settings.rows or "auto"}
    return header


def _data_hashes(files: Data) -> dict[str, str]:
    found = {name: files.find(name) for name in files.files}
    with os_errors(EvaluationError, files.root):
        return {name: _hash_of(path) for name, path in found.items() if path is not None}


def _hash_of(path: Path) -> str:
    if path.is_file():
        return sha256_of(path)
    return _digest(*((str(one.relative_to(path)), sha256_of(one)) for one in sorted(path.rglob("*.txt"))))


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _prompt_digest(prompt: Prompt) -> str:
    return _digest(prompt.ids)[:16]


def _require_unchanged(done: Mapping[int, Entry], asked: Asked, prompts: Sequence[Prompt]) -> None:
    """Refuse answers about pictures that have changed since; their prompts are the header's."""
    digests: dict[str, str] = {}
    for number, entry in done.items():
        image = prompts[number].image
        if image is None:
            continue
        if image not in digests:
            digests[image] = digest_of(asked.images, image)
        if entry.picture != digests[image]:
            raise EvaluationError(
                f"{asked.images / image}: has changed since {asked.out} was asked about it; name another --out"
            )


def _ask(work: Work, *, asked: Asked, subject: Any) -> None:
    nproc = work.settings.nproc
    if nproc == 1:
        _ask_as_rank(work, asked, subject=subject, rank=0)
        return
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // nproc)))
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(nproc, mp_context=context) as ranks:
            for future in [ranks.submit(_other_rank, work, rank) for rank in range(nproc)]:
                future.result()
    except BrokenProcessPool:
        raise EvaluationError(
            f"{asked.out}: a rank was killed, possibly out of memory; rerun the same command to resume"
        ) from None


def _other_rank(work: Work, rank: int) -> None:
    """One of several ranks, in a process of its own, which makes everything again."""
    from mix665k.trainer.evaluated_model import open_subject
    from mix665k.trainer.run.ranks import quieten

    quieten()
    asked, subject = _asked(work.benchmark, work.settings), open_subject(work.model, exact=work.settings.exact)
    _ask_as_rank(work, asked, subject=subject, rank=rank)


def _ask_as_rank(work: Work, asked: Asked, *, subject: Any, rank: int) -> None:
    """Ask this rank's share of what no journal has.

    Units are planned of all questions and dealt in turn: what is asked at once depends on neither ranks nor kills.
    """
    from mix665k.trainer.evaluation.ask import Asker, Limits, can_share, rows_that_fit

    model = subject.load(rank)
    prompts = subject.prompts(asked.questions)
    shown_or_bare = [prompt for prompt in prompts if prompt.number not in asked.missing]
    most = max(len(prompt.ids) for prompt in prompts) + asked.benchmark.max_new_tokens
    shares = can_share(model, most)
    rows = (work.settings.rows or rows_that_fit(model, most)) if shares else 1
    units = plan(shown_or_bare, rows=rows, shares=shares)[rank :: work.settings.nproc]
    units = [unit for unit in units if not work.done.issuperset(unit.numbers)]
    limits = Limits(ends=subject.ends, max_new_tokens=asked.benchmark.max_new_tokens)
    asker = Asker(model, limits=limits, rows=rows, pad_id=subject.pad_id)
    left = sum(number not in work.done for unit in units for number in unit.numbers)
    pictures = load_ahead(subject.loader(asked.images), units, blank=work.settings.blank)
    journal = Journal(asked.out, work.header, rank=rank)
    with _one_line_of_memory(rows), journal, _bar(asked, left, shown=rank == 0) as progress:
        for unit, shown in zip(units, pictures, strict=True):
            pixels = {name: picture.pixels for name, picture in shown.items()}
            for answers in asker.ask(unit, pixels, done=work.done):
                found = [(prompts[number], subject.text(ids), len(ids)) for number, ids in answers]
                journal.append([_entry(*one, asked=asked, shown=shown) for one in found])
                progress(len(found))


def _entry(prompt: Prompt, text: str, tokens: int, *, asked: Asked, shown: Mapping[str, Picture]) -> Entry:
    picture = None if prompt.image is None else shown[prompt.image]
    return Entry(
        number=prompt.number,
        key=list(asked.questions[prompt.number].keys[0]),
        prompt=_prompt_digest(prompt),
        picture=None if picture is None else picture.digest,
        text=text,
        tokens=tokens,
        blank=picture is not None and picture.fault is not None,
    )


@contextmanager
def _one_line_of_memory(rows: int) -> Iterator[None]:
    """Say what to do where a GPU's memory does not suffice."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise EvaluationError(
            f"out of the GPU's memory with {rows} questions at once; pass --batch {max(1, rows // 2)}"
        ) from None


@contextmanager
def _bar(asked: Asked, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """What is told of each batch; a bar on a terminal."""
    console = open_console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda _: None
        return
    columns = [text_column("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), text_column("left"), TimeRemainingColumn()]
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(asked.benchmark.name, total=total)
        yield lambda count: progress.advance(task, count)


def _result(asked: Asked, done: Mapping[int, Entry], settings: Settings, *, header: Header, subject: Any) -> Scored:
    """The score of what was answered; written with the answers."""
    entries = [done.get(number) for number in range(len(asked.questions))]
    texts = [None if entry is None else entry.text for entry in entries]
    scored = score_texts(
        asked.benchmark,
        asked.files,
        asked.questions,
        texts=texts,
        request=settings.request,
        complete=settings.limit is None,
    )
    blank = sum(entry is not None and entry.blank for entry in entries)
    why = [f"--limit {settings.limit}"] if settings.limit is not None else []
    why += [f"{blank:,} pictures are blank"] if blank else []
    judged = (f"a judge scores it: `train score {asked.benchmark.name}` with --answers and --judge-model",)
    scored = scored._replace(
        counts=scored.counts | ({"blank": blank} if blank else {}),
        about={"name": subject.name, **header},
        unlike=tuple(why),
        notes=subject.notes + (judged if asked.benchmark.score is None else ()),
    )
    with os_errors(EvaluationError, asked.out):
        write_whole(asked.out / _ANSWERS, answer_lines(asked.benchmark, asked.questions, texts, model=subject.name))
    write_results(scored, asked.out)
    return scored
