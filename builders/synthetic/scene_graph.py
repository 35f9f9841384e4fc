"""GQA's questions about a scene, with the reasoning steps that lead to their answers."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple
from zlib import crc32

from mix665k.builders.synthetic.scene_questions import lone
from mix665k.builders.synthetic.scenes import KINDS, Scene, Shape, relation, vg_scene


class Question(NamedTuple):
    """A made-up question; `marks` are the objects named in its answer, question and full answer."""

    steps: list[tuple[str, list[int], str]]  # operation, the steps it depends on, argument
    text: str
    answer: str
    full_answer: str
    groups: dict[str, str | None]
    types: dict[str, str]
    marks: tuple[dict[str, str], dict[str, str], dict[str, str]]


def object_id(scene: Scene, shape: Shape) -> str:
    """The number of a shape in the scene graph."""
    return str(100_000 + crc32(repr((scene.ground, shape)).encode()) % 4_900_000)


def queried(scene: Scene, shape: Shape) -> Question:
    """What colour the only shape of a kind has."""
    number = object_id(scene, shape)
    return Question(
        steps=[("select", [], f"{shape.kind} ({number})"), ("query", [0], "color")],
        text=f"What color is the {shape.kind}?",
        answer=shape.color,
        full_answer=f"The {shape.kind} is {shape.color}.",
        groups={"global": "color", "local": f"10q-{shape.kind}_color"},
        types={"detailed": "directOf", "semantic": "attr", "structural": "query"},
        marks=({}, {"4": number}, {"1": number}),
    )


def verified(scene: Scene, shape: Shape, *, color: str) -> Question:
    """Whether the only shape of a kind has a colour; no global group, nor a local one where it has not."""
    number = object_id(scene, shape)
    answer = "yes" if color == shape.color else "no"
    return Question(
        steps=[("select", [], f"{shape.kind} ({number})"), ("verify color", [0], f"{color} ")],
        text=f"Is the {shape.kind} {color}?",
        answer=answer,
        full_answer=f"{answer.capitalize()}, the {shape.kind} is {shape.color}.",
        groups={"global": None, "local": f"06-{shape.kind}_{color}" if answer == "yes" else None},
        types={"detailed": "verifyAttr", "semantic": "attr", "structural": "verify"},
        marks=({}, {"2": number}, {"2": number}),
    )


def existing(scene: Scene, shape: Shape, *, kind: str) -> Question:
    """Whether there is a shape of this one's colour and a kind."""
    number = object_id(scene, shape)
    right = kind == shape.kind
    found = f"{kind} ({number if right else '-'})"
    return Question(
        steps=[("select", [], found), ("filter color", [0], shape.color), ("exist", [1], "?")],
        text=f"Is there a {shape.color} {kind} in the picture?",
        answer="yes" if right else "no",
        full_answer=f"Yes, there is a {shape.name}." if right else f"No, the {shape.color} shape is a {shape.kind}.",
        groups={"global": None, "local": f"13-{kind}_{shape.color}"},
        types={"detailed": "existAttr" if right else "existAttrNot", "semantic": "obj", "structural": "verify"},
        marks=({}, {"4": number}, {"5": number}) if right else ({}, {}, {}),
    )


def chosen(scene: Scene, shape: Shape, *, other: Shape) -> Question:
    """Which of two sides of another shape a shape is on."""
    number, other_number = object_id(scene, shape), object_id(scene, other)
    where = relation(scene, shape, other)
    first, second = ("to the right of", "to the left of") if scene.row else ("above", "below")
    found, asked = f"{other.name} ({other_number})", f"{shape.name},{first}|{second},s ({number})"
    return Question(
        steps=[("select", [], found), ("choose rel", [0], asked)],
        text=f"Is the {shape.name} {first.removesuffix(' of')} or {second} the {other.name}?",
        answer=where.removeprefix("to the ").removesuffix(" of"),
        full_answer=f"The {shape.name} is {where} the {other.name}.",
        groups={"global": None, "local": f"13-{other.kind}_{shape.kind}"},
        types={"detailed": "relChooser", "semantic": "rel", "structural": "choose"},
        marks=({}, {"2:4": number}, {"1:3": number}),
    )


def called(scene: Scene, shape: Shape) -> Question:
    """What the shape of a colour is."""
    number = object_id(scene, shape)
    return Question(
        steps=[("select", [], f"shape ({number})"), ("filter color", [0], shape.color), ("query", [1], "name")],
        text=f"What is the {shape.color} shape?",
        answer=shape.kind,
        full_answer=f"The {shape.color} shape is a {shape.kind}.",
        groups={"global": "shape", "local": f"09-shape_{shape.color}"},
        types={"detailed": "categoryAttr", "semantic": "cat", "structural": "query"},
        marks=({"0": number}, {"4": number}, {"5": number}),
    )


def graph_questions(scene: Scene, rng: Random) -> Iterator[Question]:
    """All of GQA's questions on a scene."""
    for shape in scene.shapes:
        yield called(scene, shape)
        if shape in lone(scene):
            yield queried(scene, shape)
            for color in (shape.color, rng.choice([one for one in scene.palette if one != shape.color])):
                yield verified(scene, shape, color=color)
        for kind in KINDS:
            yield existing(scene, shape, kind=kind)
    for one, other in zip(scene.shapes, scene.shapes[1:], strict=False):
        yield chosen(scene, one, other=other)
        yield chosen(scene, other, other=one)


def graph_question(image_id: int, number: int, *, seed: int) -> Question:
    """The number-th question on an image."""
    rng = Random(f"{seed}/gqa/{image_id}")
    questions = list(graph_questions(vg_scene(image_id, seed=seed), rng))
    rng.shuffle(questions)
    return questions[number % len(questions)]
