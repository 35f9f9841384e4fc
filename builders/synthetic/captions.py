"""Made-up TextCaps with its Rosetta OCR, and LCS-558K."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, write_records
from mix665k.builders.synthetic.image_ids import open_images_id
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
    """A caption that quotes what is written in the picture; four in five end in a period."""
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
    words = text.lower().replace('"', ' " ').replace(",", " ,").split()
    ending = rng.choice(("", ".", ".", ".", "."))
    return Caption(quoted(text + ending), json.dumps(["<s>", *words, *ending, "</s>"]))


def picture(rng: Random, number: int) -> str:
    """The fields of a TextCaps image that come before the caption."""
    name, (width, height) = open_images_id(number), rng.choice(SIZES)
    url = f"https://farm{rng.randint(1, 9)}.invalid/{rng.randint(1_000, 9_999)}/{rng.randint(10**9, 10**10)}"
    original, small = ("", "") if number % 4 == 1 else (f"{url}_o.jpg", f"{url}_z.jpg")
    return (
        f'{{"image_id": "{name}", "image_classes": {json.dumps(rng.sample(WORDS["noun"], k=rng.randint(1, 9)))}, '
        f'"flickr_original_url": "{original}", "flickr_300k_url": "{small}", "image_width": {width}, '
        f'"image_height": {height}, "set_name": "train", "image_name": "{name}", '
        f'"image_path": "train/{name}.jpg", "caption_id": '
    )


def textcaps_records(rng: Random, scale: float) -> Iterator[str]:
    """One element per caption: five rounds over all images, so neighbours are different images.

    Every image starts at another of its five references.
    """
    num_images = scaled(TEXTCAPS_IMAGES, scale)
    captions = [read_aloud(rng) for _ in range(scaled(50_000, scale, least=200))]
    pictures = [picture(rng, number) for number in range(num_images)]
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
    box: dict[str, float] = {
        "width": rng.random() / 5,
        "height": rng.random() / 10,
        "rotation": 0,
        "roll": 0,
        "pitch": 0,
    }
    box |= {"yaw": rng.choice((0, rng.random())), "top_left_x": rng.random(), "top_left_y": rng.random()}
    word = rng.choice((word, word.upper(), word.title()))
    return Seen(json.dumps(word), json.dumps({"word": word, "bounding_box": box}))


def ocr_records(rng: Random, scale: float) -> Iterator[str]:
    """A record per image in random order; one image in 400 has none, one in 40 no tokens."""
    num_images = scaled(TEXTCAPS_IMAGES, scale)
    words = [seen(rng) for _ in range(scaled(20_000, scale, least=500))]
    for number in rng.sample(range(num_images), k=num_images):
        if number % 400 == 3:
            continue
        found = [] if number % 40 == 2 else rng.choices(words, k=1 + int(27 * rng.random() ** 1.4))
        yield (
            f'{{"image_id": "{open_images_id(number)}", "ocr_tokens": [{", ".join(one.word for one in found)}], '
            f'"ocr_info": [{", ".join(one.info for one in found)}]}}'
        )


def write_textcaps(folder: Path, *, scale: float, seed: int) -> list[Path]:
    """The captions of the train split, and what OCR read in their images."""
    rng = source_rng("textcaps", seed=seed)
    head = '{{"dataset_type": "train", "dataset_name": "{}", "dataset_version": {}, "data": ['
    return [
        write_records(
            folder / "TextCaps_0.1_train.json",
            textcaps_records(rng, scale),
            head=head.format("textcaps", 0.1),
            tail="]}",
        ),
        write_records(
            folder / "TextVQA_Rosetta_OCR_v0.2_train.json",
            ocr_records(rng, scale),
            head=head.format("textvqa_rosetta_ocr", 0.2),
            tail="]}",
        ),
    ]


def lcs_records(rng: Random, scale: float) -> Iterator[str]:
    """Two turns each; `<image>` stands first or last in the human one."""
    asks = [quoted(text) for prompt in PROMPTS for text in (f"<image>\n{prompt}", f"{prompt}\n<image>")]
    captions = pool(rng, scaled(100_000, scale, least=500), caption)
    for number in range(scaled(LCS_RECORDS, scale)):
        name = f"{1 + number * 2_654_435 % 5_979_991:09d}"
        yield (
            f'{{"id": "{name}", "image": "{name[:5]}/{name}.jpg", "conversations": '
            f'[{{"from": "human", "value": {rng.choice(asks)}}}, '
            f'{{"from": "gpt", "value": {rng.choice(captions)}}}]}}'
        )


def write_lcs558k(folder: Path, *, scale: float, seed: int) -> list[Path]:
    """The single file of LCS-558K."""
    rng = source_rng("lcs558k", seed=seed)
    return [write_records(folder / "blip_laion_cc_sbu_558k.json", lcs_records(rng, scale))]
