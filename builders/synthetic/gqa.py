"""Made-up GQA: one object, keyed by question id, of questions with their reasoning steps."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from mix665k.builders.synthetic.files import numbered, quoted, scaled, source_rng, spread, write_records
from mix665k.builders.synthetic.image_ids import VG_IMAGES, vg_id
from mix665k.builders.synthetic.scene_graph import Question, graph_question
from mix665k.builders.synthetic.text import WORDS

IMAGES = 72_140
QUESTIONS = 943_000
IDS_PER_IMAGE = 1_000  # a question's number on its image takes the last three digits of its id


class Part(NamedTuple):
    """The pieces of a record that do not depend on the image."""

    semantic: str
    question: str
    rest: str


def thing(rng: Random) -> tuple[str, str]:
    """A noun, and the number of an object in the scene graph."""
    return rng.choice(WORDS["noun"]), str(rng.randrange(100_000, 5_000_000))


def related(rng: Random) -> Question:
    """What the piece of a kind that stands somewhere is; steps select, filter, relate, query."""
    (near, near_id), (answer, answer_id) = thing(rng), thing(rng)
    adj, where, kind = (rng.choice(WORDS[word]) for word in ("adj", "where", "material"))
    return Question(
        steps=[
            ("select", [], f"{near} ({near_id})"),
            ("filter surface", [0], adj),
            ("relate", [1], f"{kind} thing,{where},s ({answer_id})"),
            ("filter", [2], f"not({rng.choice(WORDS['adj'])})"),
            ("query", [3], "name"),
        ],
        text=f"What is the name of the {kind} thing that is {where} the {adj} {near}?",
        answer=answer,
        full_answer=f"The thing is a {answer}.",
        groups={"global": kind, "local": f"15-{near}_{where},s"},
        types={"detailed": "categoryRelS", "semantic": "rel", "structural": "query"},
        marks=({"0": answer_id}, {"6:9": answer_id, "15": near_id}, {"1": answer_id, "4": answer_id}),
    )


def verified(rng: Random) -> Question:
    """Whether a thing has two properties; no global group, in a few cases no local one either."""
    name, object_id = thing(rng)
    adj, color = rng.choice(WORDS["adj"]), rng.choice(WORDS["color"])
    answer = rng.choice(("yes", "no"))
    return Question(
        steps=[
            ("select", [], f"{name} ({object_id})"),
            ("verify surface", [0], adj),
            ("verify color", [0], f"{color} "),
            ("and", [1, 2], ""),
        ],
        text=f"Is the {name} both {adj} and {color}?",
        answer=answer,
        full_answer=f"{answer.capitalize()}, the {name} is {adj}.",
        groups={"global": None, "local": rng.choice((f"05-{adj}_{color}", f"06-{name}_{adj}", None))},
        types={"detailed": "verifyAttrs", "semantic": "attr", "structural": "logical"},
        marks=({}, {"2": object_id}, {"2": object_id}),
    )


def chosen(rng: Random) -> Question:
    """Which of two sides a thing is on."""
    (name, object_id), (other, other_id) = thing(rng), thing(rng)
    answer = rng.choice(("left", "right"))
    return Question(
        steps=[
            ("select", [], f"{other} ({other_id})"),
            ("choose rel", [0], f"{name},to the right of|to the left of,s ({object_id})"),
        ],
        text=f"Is the {name} to the right or to the left of the {other}?",
        answer=answer,
        full_answer=f"The {name} is to the {answer} of the {other}.",
        groups={"global": None, "local": f"13-{other}_{name}"},
        types={"detailed": "relChooser", "semantic": "rel", "structural": "choose"},
        marks=({}, {"2:4": object_id, "13": other_id}, {"1": object_id, "8": other_id}),
    )


def part(rng: Random) -> Part:
    """The pieces of one made-up question."""
    return pieces(rng.choice((related, related, verified, chosen))(rng))


def pieces(made: Question) -> Part:
    """The pieces of a question."""
    semantic = [{"operation": name, "dependencies": on, "argument": argument} for name, on, argument in made.steps]
    written = [f"{name}: {argument}{f' {on}' if on else ''}" for name, on, argument in made.steps]
    rest = {
        "groups": made.groups,
        "answer": made.answer,
        "semanticStr": "->".join(written),
        "annotations": dict(zip(("answer", "question", "fullAnswer"), made.marks, strict=True)),
        "types": made.types,
        "fullAnswer": made.full_answer,
    }
    return Part(json.dumps(semantic), quoted(made.text), json.dumps(rest)[1:])


def entailed(rng: Random) -> str:
    """Quoted ids with `#` where the image's digits go; some questions entail none, a few about fifty."""
    numbers = rng.sample(range(IDS_PER_IMAGE), k=int(60 * rng.random() ** 1.5))
    return ", ".join(f'"#{number:03d}"' for number in numbers)


def records(rng: Random, scale: float, *, scenes_seed: int | None) -> Iterator[str]:
    """All questions in random order; ids have eight digits and may start with zeros."""
    num_images = scaled(IMAGES, scale)
    images = [vg_id(index) for index in rng.sample(range(max(num_images, scaled(VG_IMAGES, scale))), k=num_images)]
    counts = spread(rng, total=scaled(QUESTIONS, scale), parts=num_images)
    rows = [image * IDS_PER_IMAGE + number for image, number in numbered(range(num_images), counts)]
    rng.shuffle(rows)
    parts = [part(rng) for _ in range(scaled(50_000, scale, least=500))]
    lists = [entailed(rng) for _ in range(scaled(5_000, scale, least=100))]
    for row, (semantic, question, rest), others in zip(
        rows, rng.choices(parts, k=len(rows)), rng.choices(lists, k=len(rows)), strict=True
    ):
        image, number = divmod(row, IDS_PER_IMAGE)
        if scenes_seed is not None:
            semantic, question, rest = pieces(graph_question(images[image], number, seed=scenes_seed))
        digits = f"{image * 38_501 % 99_991:05d}"  # scattered, so that one in ten starts with a zero
        yield (
            f'"{digits}{number:03d}": {{"semantic": {semantic}, "entailed": [{others.replace("#", digits)}], '
            f'"equivalent": ["{digits}{number:03d}"], "question": {question}, "imageId": "{images[image]}", '
            f'"isBalanced": true, {rest}'
        )


def write_gqa(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The balanced questions of the train split."""
    rng = source_rng("gqa", seed=seed)
    made = records(rng, scale, scenes_seed=seed if scenes else None)
    return [write_records(folder / "train_balanced_questions.json", made, head="{", tail="}")]
