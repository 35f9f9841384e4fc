"""Captions, descriptions and phrases that are true of a scene."""

from random import Random

from mix665k.builders.synthetic.scene_questions import lone
from mix665k.builders.synthetic.scenes import Box, Scene, Shape, relation, side


def listed(words: list[str]) -> str:
    """`a red circle, a blue square and a white triangle`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def caption(scene: Scene, rng: Random) -> str:
    """A caption as photo sites write them, without a final period."""
    shapes = [f"a {'large' if shape.large else 'small'} {shape.name}" for shape in scene.shapes]
    if rng.random() < 0.5:
        shapes = [f"a {shape.name}" for shape in scene.shapes]
    if len(shapes) > 1 and rng.random() < 0.5:
        shape, other = rng.sample(scene.shapes, k=2)
        shapes = [f"a {shape.name} {relation(scene, shape, other)} a {other.name}"]
    text = f"{listed(shapes)} on a {scene.ground} background"
    return f'{text} with the word "{scene.word}"' if scene.word and rng.random() < 0.5 else text


def captions_of_word(scene: Scene, rng: Random) -> list[str]:
    """Five captions in random order that quote the word in the picture, as TextCaps' do."""
    word, shapes = str(scene.word).upper(), listed([f"a {shape.name}" for shape in scene.shapes])
    captions = [
        f"The word {word} written below {shapes}",
        f'A {scene.ground} sign that says "{word}" under {shapes}',
        f"{shapes.capitalize()} above the word {word}",
        f"A {scene.ground} card with {shapes} and the text {word}",
        f"The letters {word} at the bottom of a {scene.ground} picture",
    ]
    return rng.sample(captions, k=len(captions))


def sentences(scene: Scene) -> list[str]:
    """Everything that there is to say about a scene, from the most to the least important."""
    number = ("one shape", "two shapes", "three shapes")[len(scene.shapes) - 1]
    said = [f"The picture shows {number} on a {scene.ground} background."]
    for shape in scene.shapes:
        where = side(scene, shape)
        place = {None: "", "middle": " in the middle"}.get(where, f" on the {where} side")
        said.append(f"There is a {'large' if shape.large else 'small'} {shape.name}{place}.")
    for one, other in zip(scene.shapes, scene.shapes[1:], strict=False):
        said.append(f"The {one.name} is {relation(scene, one, other)} the {other.name}.")
    if scene.word:
        said.append(f'The word "{scene.word}" is written at the bottom.')
    said.append(f"The background is {scene.ground} everywhere else.")
    return said


def reason(scene: Scene) -> tuple[str, str]:
    """A question that wants a reason, and an answer that gives it."""
    shape = scene.shapes[0]
    return (
        f"Why is the {shape.name} easy to see?",
        f"The {shape.name} is easy to see because it lies on a {scene.ground} background. "
        f"No other shape is {shape.color}. " + " ".join(sentences(scene)[1:]),
    )


def region_phrase(scene: Scene, shape: Shape | None, rng: Random) -> str:
    """A phrase for the region of a shape, or for one where only the background is."""
    if shape is None:
        return rng.choice((f"{scene.ground} background", f"the background is {scene.ground}", f"plain {scene.ground}"))
    size = "large" if shape.large else "small"
    phrases = [shape.name, f"a {shape.name}", f"{size} {shape.name}", f"the {shape.color} shape"]
    phrases += [f"{shape.name} on {scene.ground}", f"A {shape.name}."]
    if shape in lone(scene):
        phrases.append(f"the {shape.kind} is {shape.color}")
    return rng.choice(phrases)


def empty_box(scene: Scene, rng: Random) -> Box | None:
    """A box that holds nothing but background, or None where none was found."""
    width, height = scene.size
    taken = [shape.box for shape in scene.shapes] + ([scene.word_box] if scene.word else [])
    for _ in range(20):
        box_width, box_height = width // 8 + int(rng.random() * width / 8), height // 8 + int(rng.random() * height / 8)
        x, y = int(rng.random() * (width - box_width)), int(rng.random() * (height - box_height))
        if not any(
            x < left + its_width and left < x + box_width and y < top + its_height and top < y + box_height
            for left, top, its_width, its_height in taken
        ):
            return x, y, box_width, box_height
    return None


def referring_expression(scene: Scene, shape: Shape, rng: Random) -> str:
    """What somebody says to point at one shape of the scene and no other."""
    said = [f"the {shape.color} one", shape.name, f"{shape.color} {shape.kind} on {scene.ground}"]
    if shape in lone(scene):
        said.append(f"the {shape.kind}")
    if len(scene.shapes) > 1:
        said += [
            f"{shape.name} {relation(scene, shape, other).removeprefix('to the ')} the {other.name}"
            for other in scene.shapes
            if other is not shape
        ]
        ends = ("left", "right") if scene.row else ("top", "bottom")
        if shape in (scene.shapes[0], scene.shapes[-1]):
            said.append(f"shape on the {ends[shape is scene.shapes[-1]]}")
    return rng.choice(said)
