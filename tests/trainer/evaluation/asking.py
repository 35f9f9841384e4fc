"""A tiny exported model and a benchmark of a few pictures to ask it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mix665k.trainer.evaluate import Settings, evaluate
from mix665k.trainer.evaluation.registry import Request
from mix665k.trainer.evaluation.score import Scored
from mix665k.trainer.export import export
from mix665k.trainer.tiny import write_tiny
from tests.trainer.evaluation.cases import lines, write
from tests.trainer.exporting import untrained_run

LENGTH = 6
"""Tokens of an answer."""
SHAPES = ((60, 40), (40, 80), (50, 50))


def tiny_model(folder: Path) -> Path:
    """A run, `run`, and its export, `model`, which is given."""
    write_tiny(folder, tokenizer="tiny")
    untrained_run(folder / "run", llm=folder / "llm", vision=folder / "vision")
    export(folder / "run", folder / "model")
    return folder / "model"


def draw(path: Path, size: tuple[int, int], *, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def own_benchmark(folder: Path, *, per_picture: int = 4, texts: int = 5) -> Path:
    """A YAML, its questions about three pictures and about none, of different lengths; pictures in `images`."""
    asked: list[dict[str, Any]] = []
    for place, size in enumerate(SHAPES):
        draw(folder / f"images/{place}.png", size, seed=place)
        asked += [{"image": f"{place}.png"} for _ in range(per_picture)]
    asked += [{} for _ in range(texts)]
    for number, one in enumerate(asked):
        one |= {"id": number, "question": "Is there a dog? " * (1 + number % 5) + f"({number})", "answer": "yes"}
    form = f"file: mine.jsonl\nscorer: yes_no\nprompt: short_answer\nmax_new_tokens: {LENGTH}\n"
    write(folder, {"mine.yaml": form, "mine.jsonl": lines(asked)})
    return folder / "mine.yaml"


def ask(model: Path, benchmark: Path, out: Path, **options: Any) -> Scored:
    """The score of the only benchmark; `options` are those of `Settings`."""
    folder = benchmark.parent
    given: dict[str, Any] = {"data": folder, "images": folder / "images", "out": out, "request": Request()} | options
    [scored] = evaluate(str(model), [str(benchmark)], Settings(**given))
    return scored


def answers(out: Path) -> bytes:
    return (out / "mine/answers.jsonl").read_bytes()
