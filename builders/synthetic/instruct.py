"""Made-up LLaVA-Instruct: conversations, descriptions and reasoning about COCO images."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, write_records
from mix665k.builders.synthetic.image_ids import TRAIN2017, drawn_coco_ids
from mix665k.builders.synthetic.scene_questions import visual_questions
from mix665k.builders.synthetic.scene_texts import reason, sentences
from mix665k.builders.synthetic.scenes import Scene, coco_scene
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


def turns_on_scene(scene: Scene, kind: str, *, rng: Random) -> list[tuple[str, str]]:
    """Questions and answers of one kind, in full sentences."""
    if kind == "detail":
        return [(rng.choice(DESCRIBE), " ".join(sentences(scene)))]
    if kind == "reasoning":
        return [reason(scene)]
    questions = visual_questions(scene, rng)
    return [(question.text, question.sentence) for question in questions[: rng.choice((3, 4, 5, 6, 7, 10))]]


def scene_records(rng: Random, kinds: list[str], images: list[int], *, seed: int) -> Iterator[str]:
    """One record per kind and image, each true of the image's scene."""
    for kind, image in zip(kinds, images, strict=True):
        pairs = turns_on_scene(coco_scene(image, seed=seed), kind, rng=rng)
        yield record(rng, image, pairs=[(quoted(question), quoted(answer)) for question, answer in pairs])


def record(rng: Random, image: int, *, pairs: list[tuple[str, str]]) -> str:
    """The record of an image; pairs are JSON strings, and `<image>` is put before or after the first question."""
    (question, answer), *others = pairs
    turns = ", ".join(
        f'{{"from": "human", "value": {question}}}, {{"from": "gpt", "value": {answer}}}'
        for question, answer in ((first_question(rng, question), answer), *others)
    )
    return f'{{"id": "{image:012d}", "image": "{image:012d}.jpg", "conversations": [{turns}]}}'


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
        yield record(rng, image, pairs=list(zip(asked, answered, strict=True)))


def write_llava_instruct(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The single file of LLaVA-Instruct; many images occur in several records."""
    rng = source_rng("llava_instruct", seed=seed)
    total = scaled(RECORDS, scale, least=8)
    kinds = [kind for kind in ("conversation", "detail") for _ in range(scaled(SHARES[kind], scale, least=1))]
    kinds += ["reasoning"] * (total - len(kinds))
    rng.shuffle(kinds)
    images = drawn_coco_ids(rng, scale, num=scaled(IMAGES, scale), among=TRAIN2017)
    images += rng.choices(images, k=total - len(images))
    rng.shuffle(images)
    made = scene_records(rng, kinds, images, seed=seed) if scenes else records(rng, kinds, images, scale=scale)
    return [write_records(folder / "llava_instruct_150k.json", made)]
