"""Questions about a scene, and their right answers."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from mix665k.builders.synthetic.scenes import CORNERS, KINDS, Scene, Shape, relation, side

FOODS = {
    "red": "chili",
    "green": "cucumber",
    "blue": "blueberry",
    "yellow": "banana",
    "purple": "plum",
    "white": "onion",
    "grey": "oyster",
    "black": "olive",
}


class Question(NamedTuple):
    """A question that only one answer is right for."""

    opening: str  # VQAv2's question type
    answer_type: str
    text: str
    answer: str
    wrong: tuple[str, ...]  # what somebody may answer by mistake
    sentence: str  # the answer in a sentence


def lone(scene: Scene) -> list[Shape]:
    """The shapes whose kind alone tells them apart."""
    kinds = Counter(shape.kind for shape in scene.shapes)
    return [shape for shape in scene.shapes if kinds[shape.kind] == 1]


def about_color(scene: Scene, text: str, *, right: str, thing: str) -> Question:
    """Which colour a thing has."""
    wrong = tuple(color for color in scene.palette if color != right)
    return Question(
        "what color is the",
        answer_type="other",
        text=text,
        answer=right,
        wrong=wrong,
        sentence=f"The {thing} is {right}.",
    )


def yes_no(opening: str, text: str, *, right: bool, sentence: str) -> Question:
    """A question to be answered with yes or no."""
    answer, wrong = ("yes", "no") if right else ("no", "yes")
    return Question(
        opening,
        answer_type="yes/no",
        text=text,
        answer=answer,
        wrong=(wrong,),
        sentence=f"{answer.capitalize()}, {sentence}",
    )


def counted(text: str, *, right: int, sentence: str) -> Question:
    """A question to be answered with a number."""
    wrong = tuple(str(number) for number in range(5) if number != right)
    return Question("how many", answer_type="number", text=text, answer=str(right), wrong=wrong, sentence=sentence)


def amount(number: int, noun: str) -> str:
    """`is one circle`, `are no circles`."""
    words = ("no", "one", "two", "three")
    return f"is one {noun}" if number == 1 else f"are {words[number]} {noun}s"


def color_questions(scene: Scene) -> Iterator[Question]:
    """What colour the background has, and each shape that can be named without it."""
    yield about_color(scene, "What color is the background?", right=scene.ground, thing="background")
    for shape in lone(scene):
        yield about_color(scene, f"What color is the {shape.kind}?", right=shape.color, thing=shape.kind)
    if len(scene.shapes) > 1:
        ends = ("on the left", "on the right") if scene.row else ("at the top", "at the bottom")
        for shape, where in zip((scene.shapes[0], scene.shapes[-1]), ends, strict=True):
            text = f"What color is the shape {where}?"
            yield about_color(scene, text, right=shape.color, thing=f"shape {where}")


def kind_questions(scene: Scene) -> Iterator[Question]:
    """What kind each shape is."""
    for shape in scene.shapes:
        text = f"What is the {shape.color} shape?" if len(scene.shapes) > 1 else "What is the shape in the picture?"
        wrong = tuple(kind for kind in KINDS if kind != shape.kind)
        yield Question(
            "what is the",
            answer_type="other",
            text=text,
            answer=shape.kind,
            wrong=wrong,
            sentence=f"It is a {shape.name}.",
        )


def count_questions(scene: Scene) -> Iterator[Question]:
    """How many shapes there are, of all kinds and of each that is there."""
    there = f"There {amount(len(scene.shapes), 'shape')}."
    yield counted("How many shapes are there?", right=len(scene.shapes), sentence=there)
    for kind in KINDS:
        number = sum(shape.kind == kind for shape in scene.shapes)
        yield counted(f"How many {kind}s are there?", right=number, sentence=f"There {amount(number, kind)}.")


def yes_no_questions(scene: Scene, rng: Random) -> Iterator[Question]:
    """Questions to confirm or deny: of each form one with yes and one with no."""
    for shape in scene.shapes:
        false = rng.choice([color for color in scene.palette if color not in (shape.color, scene.ground)])
        if shape in lone(scene):
            sentence = f"the {shape.kind} is {shape.color}."
            yield yes_no("is the", f"Is the {shape.kind} {shape.color}?", right=True, sentence=sentence)
            yield yes_no("is the", f"Is the {shape.kind} {false}?", right=False, sentence=sentence)
        there = f"there is a {shape.name}."
        yield yes_no("is there a", f"Is there a {shape.name} in the picture?", right=True, sentence=there)
        missing = rng.choice([kind for kind in KINDS if kind != shape.kind])
        text = f"Is there a {shape.color} {missing} in the picture?"
        yield yes_no("is there a", text, right=False, sentence=f"the {shape.color} shape is a {shape.kind}.")
    false = rng.choice([color for color in scene.palette if color != scene.ground])
    sentence = f"the background is {scene.ground}."
    yield yes_no("is the", f"Is the background {scene.ground}?", right=True, sentence=sentence)
    yield yes_no("is the", f"Is the background {false}?", right=False, sentence=sentence)


def place_questions(scene: Scene) -> Iterator[Question]:
    """On which side things are, of each other or of the picture."""
    for one, other in zip(scene.shapes, scene.shapes[1:], strict=False):
        for shape, from_shape in ((one, other), (other, one)):
            where = relation(scene, shape, from_shape)
            short = where.removeprefix("to the ").removesuffix(" of")
            wrong = {"left": "right", "right": "left", "above": "below", "below": "above"}[short]
            words = "left or right of" if scene.row else "above or below"
            text = f"Is the {shape.name} {words} the {from_shape.name}?"
            sentence = f"The {shape.name} is {where} the {from_shape.name}."
            yield Question("is the", answer_type="other", text=text, answer=short, wrong=(wrong,), sentence=sentence)
    for shape in scene.shapes:
        if place := side(scene, shape):
            wrong_places = tuple(name for name in ("left", "middle", "right") if name != place)
            part = "in the middle" if place == "middle" else f"on the {place}"
            sentence = f"The {shape.name} is {part} of the picture."
            yield Question(
                "where is the",
                answer_type="other",
                text=f"Where is the {shape.name}?",
                answer=place,
                wrong=wrong_places,
                sentence=sentence,
            )


def word_questions(scene: Scene) -> Iterator[Question]:
    """What is written, if anything is."""
    if scene.word:
        wrong = (scene.word[:-1], scene.word + "s")
        sentence = f'The word in the picture is "{scene.word}".'
        yield Question(
            "what is the",
            answer_type="other",
            text="What is the word in the picture?",
            answer=scene.word,
            wrong=wrong,
            sentence=sentence,
        )


def visual_questions(scene: Scene, rng: Random) -> list[Question]:
    """All questions whose answers can be seen, in random order, no text twice."""
    questions = [
        *color_questions(scene),
        *kind_questions(scene),
        *count_questions(scene),
        *yes_no_questions(scene, rng),
        *place_questions(scene),
        *word_questions(scene),
    ]
    rng.shuffle(questions)
    return list({question.text: question for question in questions}.values())


def knowledge_questions(scene: Scene) -> list[Question]:
    """Questions that want something which is not in the picture, as OK-VQA's do."""
    shape = scene.shapes[0]
    words = {0: "none", 3: "three", 4: "four"}
    number = words[CORNERS[shape.kind]]
    corners = Question(
        "how many",
        answer_type="other",
        text=f"How many corners does the {shape.color} shape have?",
        answer=number,
        wrong=tuple(word for word in words.values() if word != number),
        sentence=f"The {shape.color} shape is a {shape.kind}, which has {number.replace('none', 'no')} corners.",
    )
    thing, color = next(((one.kind, one.color) for one in lone(scene)), ("background", scene.ground))
    food = Question(
        "what is the",
        answer_type="other",
        text=f"Which food has the color of the {thing}?",
        answer=FOODS[color],
        wrong=tuple(FOODS[other] for other in FOODS if other != color),
        sentence=f"The {thing} is {color}, as {FOODS[color]} is.",
    )
    return [corners, food]
