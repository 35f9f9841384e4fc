"""Asking a tiny model in batches and one question at a time: `python -m benchmarks.evaluate` writes it to RESULTS.md.

Both answer the same questions about the same pictures in the same process, in turns. One at a time is what `train
generate` does of a question once its model is loaded.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from benchmarks.results import write_section
from mix665k.schemas.prompts import RESPONSE_FORMATS
from mix665k.trainer.data.exported_images import exported_image_processor
from mix665k.trainer.data.images import load_processor
from mix665k.trainer.evaluated_model import open_subject
from mix665k.trainer.evaluation.answers import NUM_PEOPLE, official_vqa_score
from mix665k.trainer.evaluation.ask import Asker, Limits
from mix665k.trainer.evaluation.batches import plan
from mix665k.trainer.evaluation.pictures import load_ahead
from mix665k.trainer.evaluation.registry import Question
from mix665k.trainer.evaluation.subject import Subject
from mix665k.trainer.model.compose import compose
from mix665k.trainer.run.ranks import quieten
from mix665k.trainer.tiny import write_tiny

ROUNDS = 5
ROWS = 32
IMAGE_PX = 336
SIZE = (480, 640)
MAX_NEW_TOKENS = 4
"""As long as answers are: 4 to 8 characters on average, in LLaVA-1.5-13B's own."""
NUM_VQA = 100_000
SHORT, LETTER = (f"\n{RESPONSE_FORMATS[name]}" for name in ("short_answer", "option_letter"))


class Shape(NamedTuple):
    """A benchmark's shape: questions on a picture, pictures in a round, a question's text, the ratio to reach."""

    name: str
    per_picture: int
    pictures: int
    text: Callable[[int, int], str]
    goal: float


def _objects(picture: int, number: int) -> str:
    return f"Is there a {_WORDS[(picture + number) % len(_WORDS)]} in the image?{SHORT}"


def _relations(picture: int, number: int) -> str:
    first, second = (_WORDS[(picture + number * step) % len(_WORDS)] for step in (1, 3))
    return f"Which color is the {first} to the left of the {second} that is near the {_WORDS[number % 5]}?{SHORT}"


def _turns(picture: int, number: int) -> str:
    options = [_WORDS[(picture + k) % len(_WORDS)] for k in range(4)]
    turned = options[number:] + options[:number]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", turned, strict=True))
    hint = "The picture was taken at noon, and shows a street with people, shops and what they sell. " * 2
    return f"{hint}\nWhat is in front of the {options[picture % 4]}?\n{listed}{LETTER}"


def _photos(picture: int, _: int) -> str:
    return f"What {'kind of ' * (picture % 3)}{_WORDS[picture % len(_WORDS)]} is this?{SHORT}"


_WORDS = ("dog", "dining table", "car", "person", "traffic light", "bowl", "chair", "cup", "backpack", "bench", "clock")
SHAPES = (
    Shape("POPE", per_picture=18, pictures=2, text=_objects, goal=6),
    Shape("GQA", per_picture=32, pictures=1, text=_relations, goal=8),
    Shape("MMBench", per_picture=4, pictures=6, text=_turns, goal=2),
    Shape("VizWiz", per_picture=1, pictures=16, text=_photos, goal=1),
)


def main() -> None:
    """Measure all shapes, and scoring; write the table."""
    quieten()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny(folder, tokenizer="tiny", image_px=IMAGE_PX)
        compose(str(folder / "llm"), str(folder / "vision"), folder / "model", projector=None, template="v1", seed=0)
        for number in range(max(shape.pictures for shape in SHAPES)):
            values = np.random.default_rng(number).integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
            Image.fromarray(values).resize(SIZE[::-1]).save(folder / f"{number}.jpg")
        subject = open_subject(str(folder / "model"), exact=True)
        model, processor = subject.load(0), _processor(folder / "model")
        rows = [_row(shape, folder, subject=subject, model=model, processor=processor) for shape in SHAPES]
    write_section(
        "Asking a benchmark's questions",
        [
            f"A tiny model in float32 on one thread, pictures of {SIZE[1]} x {SIZE[0]} px ({(IMAGE_PX // 14) ** 2} "
            f"tokens), {MAX_NEW_TOKENS} tokens an answer; medians of {ROUNDS} rounds in which both answer the same "
            "questions, which they answer alike. One by one: `train generate` with its model loaded.",
            "",
            "| shape | questions a picture | one by one, questions/s | batches with shared beginnings | ratio | goal |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Scoring {NUM_VQA:,} answers to VQAv2 by its official rule: {_score_seconds():.2f} s.",
        ],
        libraries=("torch", "transformers"),
        command="python -m benchmarks.evaluate",
    )


def _processor(folder: Path) -> Any:
    from transformers import AutoProcessor

    kind: Any = AutoProcessor
    processor = kind.from_pretrained(folder)
    processor.image_processor = exported_image_processor(load_processor(str(folder)), "pad")
    return processor


def _row(shape: Shape, folder: Path, *, subject: Subject, model: Any, processor: Any) -> str:
    asked = [
        Question((("id", f"{picture} {number}"),), shape.text(picture, number), f"{picture}.jpg", bare="", record=None)
        for picture in range(shape.pictures)
        for number in range(shape.per_picture)
    ]
    alone, batched = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        expected = [_one(one, folder, model=model, processor=processor) for one in asked]
        between = time.perf_counter()
        found = _all(asked, folder, model=model, subject=subject)
        batched.append(time.perf_counter() - between)
        alone.append(between - begun)
        assert found == expected, shape.name
    ratio = statistics.median(a / b for a, b in zip(alone, batched, strict=True))
    speeds = [len(asked) / statistics.median(seconds) for seconds in (alone, batched)]
    return f"| {shape.name} | {shape.per_picture} | {speeds[0]:.1f} | {speeds[1]:.1f} | {ratio:.1f} | {shape.goal:g} |"


def _one(question: Question, folder: Path, *, model: Any, processor: Any) -> list[int]:
    """A question by itself, as `train generate` asks it."""
    content: list[dict[str, Any]] = [
        {"type": "image", "image": Image.open(folder / str(question.image)).convert("RGB")}
    ]
    content.append({"type": "text", "text": question.text})
    given = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        output = model.generate(**given, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    ids: list[int] = output[0, given["input_ids"].shape[1] :].tolist()
    return ids


def _all(asked: Sequence[Question], folder: Path, *, model: Any, subject: Subject) -> list[list[int]]:
    prompts = subject.prompts(asked)
    units = plan(prompts, rows=ROWS)
    limits = Limits(ends=subject.ends, max_new_tokens=MAX_NEW_TOKENS)
    asker = Asker(model, limits=limits, rows=ROWS, pad_id=subject.pad_id)
    found: dict[int, list[int]] = {}
    for unit, pictures in zip(units, load_ahead(subject.loader(folder), units, blank=False), strict=True):
        pixels = {name: picture.pixels for name, picture in pictures.items()}
        found |= {one.number: one.ids for one in chain.from_iterable(asker.ask(unit, pixels))}
    return [found[number] for number in range(len(asked))]


def _score_seconds() -> float:
    answers = [f"{_WORDS[number % 11]} {number % 977}" for number in range(NUM_VQA)]
    agree = [number % NUM_PEOPLE for number in range(NUM_VQA)]
    people = [[text] * same + ["no"] * (NUM_PEOPLE - same) for text, same in zip(answers, agree, strict=True)]
    begun = time.perf_counter()
    sum(official_vqa_score(text, of) for text, of in zip(answers, people, strict=True))
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
