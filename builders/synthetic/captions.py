"""Made-up TextCaps with its Rosetta OCR, and LCS-558K."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, write_records
from mix665k.builders.synthetic.image_ids import open_images_id
from mix665k.builders.synthetic.scene_texts import caption as scene_caption
from mix665k.builders.synthetic.scene_texts import captions_of_word
from mix665k.builders.synthetic.scenes import Scene, textcaps_scene, web_scene
from mix665k.builders.synthetic.text import WORDS, caption, fill, pool

TEXTCAPS_IMAGES = 21_953
CAPTIONS_PER_IMAGE = 5
LCS_RECORDS = 558_128
SIZES = ((1024, 768), (1024, 683), (768, 1024), (1024, 1024), (683, 1024), (1024, 576))
NOISE = (
    "3O",
    "&",
    '"',
    ",",
    "...",
    "l1",
    "www.",
    "12:45",
    "\u00a9",
    "50%",
    "-",
    "EST.",
    "\u00e9",
    "'s",
    "\\",
)
PROMPTS = (  # of LCS-558K
    "Say in a few plain words what this picture shows.",
    "Put what you see in the picture into one short line.",
    "Which people, animals or things can be seen here?",
    "What would be a short and fitting caption for this?",
    "What is it?",
)


class Caption(NamedTuple):
    """A caption's JSON string and the JSON list of its tokens."""

    text: str
    tokens: str


def read_aloud(rng: Random) -> Caption:
    """A caption that quotes what is written in the picture."""
    text = fill(
        rng,
        (
            "A {adj} {noun} with the word {brand} written {where} a {color} {noun}",
            "The {color} sign {where} the {place} says {brand} {number} in {adj} letters",
            "Several {noun}s by {brand} and {brand} are {doing} {where} a {adj} shelf",
            'A {noun} that reads "{brand} {family}" is {doing} {where} the {place}',
            "Bottle of {brand} {noun} oil from {family} {number}, standing {where} a {adj} {noun}",
        ),
    )
    return with_tokens(rng, text)


def with_tokens(rng: Random, text: str) -> Caption:
    """A caption and its tokens; four in five end in a period."""
    words = text.lower().replace('"', ' " ').replace(",", " ,").split()
    ending = rng.choice(("", ".", ".", ".", "."))
    return Caption(quoted(text + ending), json.dumps(["<s>", *words, *ending, "</s>"]))


def picture(rng: Random, number: int, *, size: tuple[int, int], scene: Scene | None) -> str:
    """The fields of a TextCaps image that come before the caption; its classes are the kinds of its shapes."""
    name, (width, height) = open_images_id(number), size
    url = f"https://farm{rng.randint(1, 9)}.invalid/{rng.randint(1_000, 9_999)}/{rng.randint(10**9, 10**10)}"
    original, small = ("", "") if number % 4 == 1 else (f"{url}_o.jpg", f"{url}_z.jpg")
    classes = rng.sample(WORDS["noun"], k=rng.randint(1, 9))
    if scene:
        classes = sorted({shape.kind for shape in scene.shapes})
    return (
        f'{{"image_id": "{name}", "image_classes": {json.dumps(classes)}, '
        f'"flickr_original_url": "{original}", "flickr_300k_url": "{small}", "image_width": {width}, '
        f'"image_height": {height}, "set_name": "train", "image_name": "{name}", '
        f'"image_path": "train/{name}.jpg", "caption_id": '
    )


def textcaps_records(rng: Random, scale: float, *, scenes_seed: int | None) -> Iterator[str]:
    """One element per caption: five rounds over all images, so neighbours are different images.

    Every image starts at another of its five references.
    """
    num_images = scaled(TEXTCAPS_IMAGES, scale)
    captions = [read_aloud(rng) for _ in range(scaled(50_000, scale, least=200))]
    pictures, drawn = [], []
    for number in range(num_images):
        size = rng.choice(SIZES)
        scene = None if scenes_seed is None else textcaps_scene(open_images_id(number), size, seed=scenes_seed)
        pictures.append(picture(rng, number, size=size, scene=scene))
        if scene:
            drawn.append([with_tokens(rng, text) for text in captions_of_word(scene, rng)])
    if scenes_seed is None:
        drawn = [rng.sample(captions, k=CAPTIONS_PER_IMAGE) for _ in pictures]
    for turn in range(CAPTIONS_PER_IMAGE):
        for number, (start, references) in enumerate(zip(pictures, drawn, strict=True)):
            text, tokens = references[(number + turn) % CAPTIONS_PER_IMAGE]
            yield (
                f'{start}{100_000_000 + turn * num_images + number}, "caption_str": {text}, '
                f'"caption_tokens": {tokens}, "reference_strs": [{", ".join(one.text for one in references)}], '
                f'"reference_tokens": [{", ".join(one.tokens for one in references)}]}}'
            )


class Seen(NamedTuple):
    """A word that OCR found: its JSON string and its JSON info."""

    word: str
    info: str


def seen(rng: Random) -> Seen:
    """A noisy token with a box in fractions of the image."""
    word = fill(rng, ("{brand}", "{family}", "{noun}", "{number}", "{number}{color}", rng.choice(NOISE)))
    width, height = rng.random() / 5, rng.random() / 10
    yaw, left, top = rng.choice((0, rng.random())), rng.random(), rng.random()
    word = rng.choice((word, word.upper(), word.title()))
    return seen_at(word, box=(left, top, width, height), yaw=yaw)


def seen_in(scene: Scene) -> list[Seen]:
    """What OCR reads in a scene: its one word, where it is written."""
    (width, height), (x, y, box_width, box_height) = scene.size, scene.word_box
    box = (x / width, y / height, box_width / width, box_height / height)
    return [seen_at(str(scene.word).upper(), box=box, yaw=0)]


def seen_at(word: str, *, box: tuple[float, float, float, float], yaw: float) -> Seen:
    """A token with its box: left, top, width and height in fractions of the image."""
    left, top, width, height = box
    box_fields = {"width": width, "height": height, "rotation": 0, "roll": 0, "pitch": 0}
    box_fields |= {"yaw": yaw, "top_left_x": left, "top_left_y": top}
    return Seen(json.dumps(word), json.dumps({"word": word, "bounding_box": box_fields}))


def ocr_records(rng: Random, scale: float, *, scenes_seed: int | None) -> Iterator[str]:
    """A record per image in random order; one image in 400 has none, one in 40 no tokens."""
    num_images = scaled(TEXTCAPS_IMAGES, scale)
    words = [seen(rng) for _ in range(scaled(20_000, scale, least=500))]
    for number in rng.sample(range(num_images), k=num_images):
        if number % 400 == 3:
            continue
        found = [] if number % 40 == 2 else rng.choices(words, k=1 + int(27 * rng.random() ** 1.4))
        if found and scenes_seed is not None:  # neither its word nor the shares of its sides depend on the size
            found = seen_in(textcaps_scene(open_images_id(number), SIZES[0], seed=scenes_seed))
        yield (
            f'{{"image_id": "{open_images_id(number)}", "ocr_tokens": [{", ".join(one.word for one in found)}], '
            f'"ocr_info": [{", ".join(one.info for one in found)}]}}'
        )


def write_textcaps(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The captions of the train split, and what OCR read in their images."""
    scenes_seed = seed if scenes else None
    rng = source_rng("textcaps", seed=seed)
    head = '{{"dataset_type": "train", "dataset_name": "{}", "dataset_version": {}, "data": ['
    return [
        write_records(
            folder / "TextCaps_0.1_train.json",
            textcaps_records(rng, scale, scenes_seed=scenes_seed),
            head=head.format("textcaps", 0.1),
            tail="]}",
        ),
        write_records(
            folder / "TextVQA_Rosetta_OCR_v0.2_train.json",
            ocr_records(rng, scale, scenes_seed=scenes_seed),
            head=head.format("textvqa_rosetta_ocr", 0.2),
            tail="]}",
        ),
    ]


def lcs_records(rng: Random, scale: float, *, scenes_seed: int | None) -> Iterator[str]:
    """Two turns each; `<image>` stands first or last in the human one."""
    asks = [quoted(text) for prompt in PROMPTS for text in (f"<image>\n{prompt}", f"{prompt}\n<image>")]
    captions = pool(rng, scaled(100_000, scale, least=500), caption)
    for number in range(scaled(LCS_RECORDS, scale)):
        name = f"{1 + number * 2_654_435 % 5_979_991:09d}"
        asked, answered = rng.choice(asks), rng.choice(captions)
        if scenes_seed is not None:
            answered = quoted(scene_caption(web_scene(f"{name[:5]}/{name}.jpg", seed=scenes_seed), rng))
        yield (
            f'{{"id": "{name}", "image": "{name[:5]}/{name}.jpg", "conversations": '
            f'[{{"from": "human", "value": {asked}}}, {{"from": "gpt", "value": {answered}}}]}}'
        )


def write_lcs558k(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The single file of LCS-558K."""
    rng = source_rng("lcs558k", seed=seed)
    return [
        write_records(
            folder / "blip_laion_cc_sbu_558k.json", lcs_records(rng, scale, scenes_seed=seed if scenes else None)
        )
    ]
