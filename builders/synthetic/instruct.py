"""Made-up LLaVA-Instruct: conversations, descriptions and reasoning about COCO images."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, write_records
from mix665k.builders.synthetic.image_ids import TRAIN2017, drawn_coco_ids
from mix665k.builders.synthetic.text import pool, scene_question, scene_sentence

RECORDS = 157_712
IMAGES = 81_479
SHARES = {"conversation": 56_681, "detail": 23_240, "reasoning": 77_791}  # records of each kind
DESCRIBE = (
    "Tell me at length what the picture holds.",
    "Give a full account of this image.",
    "What does the picture show, from front to back?",
)


def described(rng: Random, least: int, most: int) -> str:
    """Several sentences on a picture."""
    return " ".join(scene_sentence(rng) for _ in range(rng.randint(least, most)))


def first_question(rng: Random, question: str) -> str:
    """A JSON string with `<image>` before it or after it."""
    return f'"<image>\\n{question[1:]}' if rng.random() < 0.5 else f'{question[:-1]}\\n<image>"'


def records(rng: Random, kinds: list[str], images: list[int], *, scale: float) -> Iterator[str]:
    """One record per kind and image, the sentences drawn from pools."""
    num = scaled(20_000, scale, least=100)  # texts in each pool
    questions = {
        "conversation": pool(rng, num, scene_question),
        "detail": [quoted(text) for text in DESCRIBE],
        "reasoning": pool(rng, num, scene_question),
    }
    answers = {
        "conversation": pool(rng, num, lambda rng: described(rng, 1, 2)),
        "detail": pool(rng, num, lambda rng: described(rng, 9, 18)),
        "reasoning": pool(rng, num, lambda rng: described(rng, 10, 20)),
    }
    for kind, image in zip(kinds, images, strict=True):
        num_pairs = rng.choice((3, 4, 5, 6, 7, 10)) if kind == "conversation" else 1
        asked, answered = rng.choices(questions[kind], k=num_pairs), rng.choices(answers[kind], k=num_pairs)
        asked[0] = first_question(rng, asked[0])
        turns = ", ".join(
            f'{{"from": "human", "value": {question}}}, {{"from": "gpt", "value": {answer}}}'
            for question, answer in zip(asked, answered, strict=True)
        )
        yield f'{{"id": "{image:012d}", "image": "{image:012d}.jpg", "conversations": [{turns}]}}'


def write_llava_instruct(folder: Path, *, scale: float, seed: int) -> list[Path]:
    """The single file of LLaVA-Instruct; many images occur in several records."""
    rng = source_rng("llava_instruct", seed=seed)
    total = scaled(RECORDS, scale, least=8)
    kinds = [kind for kind in ("conversation", "detail") for _ in range(scaled(SHARES[kind], scale, least=1))]
    kinds += ["reasoning"] * (total - len(kinds))
    rng.shuffle(kinds)
    images = drawn_coco_ids(rng, scale, num=scaled(IMAGES, scale), among=TRAIN2017)
    images += rng.choices(images, k=total - len(images))
    rng.shuffle(images)
    return [write_records(folder / "llava_instruct_150k.json", records(rng, kinds, images, scale=scale))]
