"""Benchmarks that are asked while a stage trains: the same questions each time, and nothing that it learns changes."""

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed as dist
from transformers import TrainerCallback

from mix665k.schemas.errors import StageError
from mix665k.schemas.files import write_whole
from mix665k.schemas.stage import Evaluate
from mix665k.schemas.template import TEMPLATES
from mix665k.trainer.data.encode import end_tokens
from mix665k.trainer.data.images import ImageLoader, load_processor
from mix665k.trainer.evaluation.ask import Asker, Limits, can_share
from mix665k.trainer.evaluation.batches import plan
from mix665k.trainer.evaluation.data_files import Data, data_of
from mix665k.trainer.evaluation.draw import draw
from mix665k.trainer.evaluation.llava_answers import answer_lines
from mix665k.trainer.evaluation.own import read_own
from mix665k.trainer.evaluation.pictures import image_folder, load_ahead, require_pictures, unpack_pictures
from mix665k.trainer.evaluation.registry import Benchmark, Question, Request, by_name, questions_to_ask
from mix665k.trainer.evaluation.score import score_texts
from mix665k.trainer.evaluation.subject import Subject
from mix665k.trainer.model.attention_needs import needs_of
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.training_data import make_encoder

if TYPE_CHECKING:
    from mix665k.trainer.run.loop import StageTrainer

_PICTURES = "benchmark_pictures"
ANSWERS = "benchmarks"
"""The folder in a run's that the answers are written to, one file for each benchmark and step."""
PREFIX = "benchmark/"
"""What keys of figures begin with in a log: `benchmark/NAME/FIGURE`."""


class Drawn(NamedTuple):
    """A benchmark's questions that are asked each time, and where its files and pictures are."""

    benchmark: Benchmark
    files: Data
    questions: list[Question]
    images: Path


def drawn_questions(job: Job) -> list[Drawn]:
    """What a stage asks while it trains; nothing without its `evaluate`.

    Raises:
        StageError: for a benchmark that only a judge can score, or a template without questions.
        EvaluationError: when there is no such benchmark, or a file or a picture is missing.
    """
    asked = job.stage.evaluate
    if asked is None:
        return []
    template = TEMPLATES.get(job.stage.template) if isinstance(job.stage.template, str) else job.stage.template
    if template is not None and not template.keeps_question:
        raise StageError(f"evaluate: template {job.stage.template} asks nothing; evaluate in stage 2")
    return [_drawn(name, asked, job=job) for name in asked.benchmarks]


def _drawn(name: str, asked: Evaluate, *, job: Job) -> Drawn:
    benchmark = read_own(Path(name)) if name.endswith((".yaml", ".yml")) else by_name(name)
    if benchmark.score is None:
        raise StageError(f"evaluate.benchmarks {name}: is scored by a judge; ask it with `train eval` after training")
    files = data_of(Path(asked.data), benchmark.files)
    questions = draw(
        benchmark, questions_to_ask(benchmark, files, Request()), count=asked.questions, seed=job.stage.seed
    )
    if benchmark.pictures is not None:
        names = {question.image for question in questions}
        held = {one: content for one, content in benchmark.pictures(files).items() if one in names}
        images = unpack_pictures(held, job.folder / _PICTURES / benchmark.name)
    else:
        images = image_folder(benchmark, questions, images=Path(asked.images))
    if job.on_bad_image == "fail":
        require_pictures(questions, images)
    return Drawn(benchmark, files=files, questions=questions, images=images)


class Benchmarks(TrainerCallback):
    """Asks a stage's benchmarks every so many steps and after the last, and logs their figures.

    Ranks share the questions. Under ZeRO-3, where no rank has all weights, each asks all of them, and takes the tokens
    that rank 0 chose: layers are gathered on all ranks alike.
    """

    def __init__(self, job: Job, trainer: "StageTrainer", *, model: Any, tokenizer: Any) -> None:
        assert job.stage.evaluate is not None
        self._job = job
        self._every = job.stage.evaluate.every
        self._trainer = trainer
        self._model = model
        self._drawn = drawn_questions(job)
        self._subject = _subject(job, self._model, tokenizer=tokenizer)
        needs = needs_of(copy.deepcopy(self._model.config.text_config))  # it sets the kind of attention there
        self._attention = "sdpa" if needs.known and needs.softcap is None and not needs.sinks else "eager"

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """See TrainerCallback."""
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        begun = time.perf_counter()
        figures: dict[str, float] = {}
        with self._trainer.metrics.paused(), self._evaluating():
            for drawn in self._drawn:
                figures |= self._ask(drawn)
        logs_too = control.should_log
        self._trainer.log({**figures, "benchmark_seconds": time.perf_counter() - begun})
        control.should_log = logs_too  # logging takes the line of the step's loss for written

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The model as it is asked, and afterwards as it was; kinds of attention that training has know no cache."""
        text_config = self._model.config.text_config
        before = text_config._attn_implementation
        text_config._attn_implementation = self._attention
        self._trainer.model_wrapped.eval()
        try:
            yield
        finally:
            self._trainer.model_wrapped.train()
            text_config._attn_implementation = before

    def _ask(self, drawn: Drawn) -> dict[str, float]:
        """The figures of a benchmark that are published, or its first."""
        texts = self._texts(drawn)
        if self._trainer.is_world_process_zero():
            path = self._job.folder / ANSWERS / f"{drawn.benchmark.name}-{self._trainer.state.global_step}.jsonl"
            path.parent.mkdir(exist_ok=True)
            write_whole(path, answer_lines(drawn.benchmark, drawn.questions, texts, model=self._job.folder.name))
        scored = score_texts(
            drawn.benchmark,
            drawn.files,
            drawn.questions,
            texts=texts,
            request=Request(),
            complete=False,
        )
        assert scored.score is not None, drawn.benchmark.name
        figures = scored.score.figures
        names = [name for name in drawn.benchmark.published if name in figures] or [next(iter(figures))]
        return {f"{PREFIX}{drawn.benchmark.name}/{name}": figures[name] for name in names}

    def _texts(self, drawn: Drawn) -> list[str]:
        model, stage = self._model, self._job.stage
        prompts = self._subject.prompts(drawn.questions)
        most = max(len(prompt.ids) for prompt in prompts) + drawn.benchmark.max_new_tokens
        shares, together = can_share(model, most), stage.zero == 3
        rows = stage.per_device_batch if shares else 1
        units = plan(prompts, rows=rows, shares=shares)
        if not together:
            units = units[self._trainer.args.process_index :: self._trainer.args.world_size]
        asker = Asker(
            model,
            limits=Limits(ends=self._subject.ends, max_new_tokens=drawn.benchmark.max_new_tokens),
            rows=rows,
            pad_id=self._subject.pad_id,
            agree=_as_rank_0 if together else lambda tokens: tokens,
        )
        pictures = load_ahead(self._subject.loader(drawn.images), units, blank=self._job.on_bad_image != "fail")
        mine: dict[int, str] = {}
        for unit, shown in zip(units, pictures, strict=True):
            pixels = {name: picture.pixels for name, picture in shown.items()}
            for answers in asker.ask(unit, pixels):
                mine |= {number: self._subject.text(ids) for number, ids in answers}
        every = mine if together else _of_all_ranks(mine)
        return [every[number] for number in range(len(prompts))]


def _subject(job: Job, model: Any, *, tokenizer: Any) -> Subject:
    stage = job.stage
    encoder = make_encoder(tokenizer, model.config, job)
    ends = end_tokens(model.generation_config.eos_token_id, encoder, tokenizer=tokenizer)
    return Subject(
        job.out,
        load=lambda _: model,
        tokenizer=tokenizer,
        encoder=encoder,
        loader=partial(
            ImageLoader,
            processor=load_processor(str(job.start)),
            mode=stage.image,
            on_bad="blank",
            speed=stage.image_path,
            background=stage.background,
        ),
        ends=frozenset([ends] if isinstance(ends, int) else ends or ()),
        pad_id=tokenizer.pad_token_id,
        weights=lambda: "",
        facts={},
    )


def _as_rank_0(tokens: torch.Tensor) -> torch.Tensor:
    if dist.is_initialized():
        dist.broadcast(tokens, src=0)
    return tokens


def _of_all_ranks(mine: Mapping[int, str]) -> dict[int, str]:
    if not dist.is_initialized():
        return dict(mine)
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return {number: text for rank in everyone for number, text in rank.items()}
