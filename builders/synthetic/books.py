"""Made-up OCR-VQA: books, keyed by an id of ten characters, with questions on their covers."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from string import ascii_letters, digits

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, write_records
from mix665k.builders.synthetic.text import fill, pool

BOOKS = 207_572
GENRES = (
    "Rope & Sail",
    "Bread, Ovens & Cellars",
    "Maps",
    "Bells & Clocks",
    "Lamp Keeping",
    "Children's Puppets",
    "Harbour Memoirs",
    "Orchard & Garden",
    "Fiddles & Songs",
    "Tide Tables",
    "Boat Repair",
    "Self-Made Furniture",
)
AUTHOR = ("Who wrote this book?", "Who is the author of this book?")
GENRE = ("What is the genre of this book?", "What type of book is this?")
TITLE = "What is the title of this book?"


def book_key(index: int) -> str:
    """An ISBN-like id: only those that end in X keep their leading zeros, as upstream."""
    number = f"{(index + 1) * 73_856_093 % 199_999_991:09d}"
    check = sum(int(digit) * place for place, digit in enumerate(number, start=1)) % 11
    return number + "X" if check == 10 else str(int(number + str(check)))


def title(rng: Random) -> str:
    """A title; a few hold quotation marks or letters outside ASCII."""
    return fill(
        rng,
        (
            "The {adj} {noun}: A Practical Guide to {topic} (Volume {number})",
            "{topic} for the {place}, {number}th Edition",
            "The {noun} {where} the {place}: A Novel of {name} and the {adj} {family}s",
            'How to {verb} a "{adj}" {noun}, and Other Stories from the {place}',
            "Caf\u00e9 {family}: {color} {noun}s and {adj} {noun}s",
            "{family}'s Wall Calendar of {adj} {noun}s",
        ),
    )


def short_title(rng: Random) -> str:
    """A title of a few words; a few hold quotation marks or letters outside ASCII."""
    text = fill(
        rng, ("The {adj} {noun}", "{noun} and {noun}", 'My "{adj}" {noun}', "{family}\u2019s {noun}", "{color} {noun}s")
    )
    return text[0].upper() + text[1:]


def image_url(rng: Random, number: int) -> str:
    """Where the cover would lie; a few are no JPEG."""
    ending = {5: "gif", 9: "png"}.get(number % 300, "jpg")
    return f"http://covers.invalid/images/I/51{''.join(rng.choices(ascii_letters + digits, k=9))}.{ending}"


def pairs(rng: Random, number: int, *, title: str, author: str, genre: str) -> Iterator[tuple[str, str]]:
    """Two to seven questions with their answers, as JSON strings."""
    if author != '""':
        yield quoted(rng.choice(AUTHOR)), author
    yield quoted(TITLE), title
    yield quoted(rng.choice(GENRE)), genre
    for related in rng.sample(GENRES, k=0 if number % 50 == 2 else rng.choice((1, 2, 2, 2, 2))):
        yield quoted(f"Is this book related to {related}?"), '"Yes"' if quoted(related) == genre else '"No"'
    if number % 40 == 3:
        yield '"What is the year printed on this calendar?"', f'"{rng.randint(1990, 2030)}"'
    if number % 97 == 3:
        yield quoted(TITLE), title  # a repeated question


def records(rng: Random, scale: float, *, short: bool) -> Iterator[str]:
    """One book after the other; four in five belong to split 1. `short` titles can be read on a small cover."""
    titles = pool(rng, scaled(100_000, scale, least=500), short_title if short else title)
    authors = pool(rng, 3_000, lambda rng: fill(rng, ("{name} {family}", "{name} B. {family}", "{name} {family} M.A.")))
    for number in range(scaled(BOOKS, scale)):
        title_, author, genre = rng.choice(titles), rng.choice(authors), quoted(rng.choice(GENRES))
        if number % 14 == 2:
            author = '""'
        elif number % 900 == 4:
            author = '"*"'
        asked = list(pairs(rng, number, title=title_, author=author, genre=genre))
        yield (
            f'"{book_key(number)}": {{"imageURL": "{image_url(rng, number)}", '
            f'"questions": [{", ".join(question for question, _ in asked)}], '
            f'"answers": [{", ".join(answer for _, answer in asked)}], "title": {title_}, '
            f'"authorName": {author}, "genre": {genre}, "split": {rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 2, 3))}}}'
        )


def write_ocrvqa(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The single file of OCR-VQA."""
    rng = source_rng("ocrvqa", seed=seed)
    return [write_records(folder / "dataset.json", records(rng, scale, short=scenes), head="{", tail="}")]
