"""Made-up ShareGPT: conversations with all the faults of the real dump."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from string import ascii_letters, digits
from typing import NamedTuple

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, write_records
from mix665k.builders.synthetic.text import fill, sentence

CONVERSATIONS = 94_145
BREAK = "\\n\\n"  # an empty line, inside a JSON string
LONGEST = 15_543  # characters of the longest turn seen
MOST_TURNS = 124
ALPHABET = digits + ascii_letters
CHINESE = "\u706f\u5854\u8239\u7ef3\u9762\u5305\u949f\u697c\u6728\u684c\u6e05\u6668\u4fee\u7406\u6d77\u6e2f"
Turn = tuple[str, str]  # who speaks, and the inside of a JSON string


class Pieces(NamedTuple):
    """Made-up questions and paragraphs, as insides of JSON strings."""

    questions: list[str]
    paragraphs: list[str]
    foreign: list[str]


class Draft(NamedTuple):
    """A faultless conversation, and what a fault may need."""

    turns: list[Turn]
    rng: Random
    pieces: Pieces


def inside(text: str) -> str:
    """A text as it stands between the quotes of a JSON string."""
    return quoted(text)[1:-1]


def paragraph(rng: Random) -> str:
    """Prose, a list, or code."""
    kind = rng.random()
    if kind < 0.15:
        steps = (fill(rng, ("    {noun} = {verb}({color}_{noun}, {number})",)) for _ in range(rng.randint(3, 9)))
        return "\n".join(("```python", fill(rng, ("def {verb}_{noun}({color}):",)), *steps, "```"))
    if kind < 0.35:
        return "\n".join(f"{number}. {sentence(rng)}" for number in range(1, rng.randint(3, 6)))
    return " ".join(sentence(rng) for _ in range(rng.randint(1, 6)))


def foreign_paragraph(rng: Random) -> str:
    """Text that is not ASCII: curly quotes, accents, symbols, or Chinese."""
    if rng.random() < 0.25:
        return "".join(rng.choices(CHINESE, k=rng.randint(20, 90))) + "\u3002"
    return sentence(rng) + rng.choice(
        (
            " \u201cWell\u201d, they\u2019d say.",
            " Caf\u00e9 Z\u00fcrich \u2013 \u00e0 bient\u00f4t.",
            " \U0001f6a2 \u2192 \u2713",
        )
    )


def question(rng: Random) -> str:
    """What a person asks; now and then with a long text to work on."""
    asked = fill(
        rng,
        (
            "how do I {verb} a {adj} {noun}?",
            "Write a short note on {topic} for {name} {family}.",
            "continue",
            "Explain why the {noun} {where} the {place} is {adj}, in {number} steps",
            "now {verb} the {noun} and list {number} things about {topic}",
        ),
    )
    return asked if rng.random() < 0.85 else "\n\n".join((asked, *(paragraph(rng) for _ in range(rng.randint(1, 5)))))


def answer(rng: Random, paragraphs: list[str]) -> str:
    """A few paragraphs, never only one, so that answers seldom repeat."""
    return BREAK.join(rng.choices(paragraphs, k=1 + int(rng.random() * 9 + 1)))


def plain_turns(rng: Random, pieces: Pieces) -> list[Turn]:
    """A faultless conversation; about half of them are longer than 8,000 characters, some 2,000 tokens."""
    length = rng.choice((rng.uniform(300, 7_500), rng.uniform(8_200, 9_600)))
    turns: list[Turn] = []
    while length > 700 or not turns:
        turns += [("human", rng.choice(pieces.questions)), ("gpt", answer(rng, pieces.paragraphs))]
        length -= len(turns[-1][1]) + len(turns[-2][1])
    return turns


def with_answer(turns: list[Turn], text: str) -> list[Turn]:
    """The first answer with a text put before it."""
    asked, (speaker, answered), *rest = turns
    return [asked, (speaker, text + BREAK + answered), *rest]


def with_names(turns: list[Turn], *, human: str, gpt: str) -> list[Turn]:
    """The same turns under other names of the speakers."""
    names = {"human": human, "gpt": gpt}
    return [(names[speaker], text) for speaker, text in turns]


def many(turns: list[Turn]) -> list[Turn]:
    """As many turns as the longest conversation seen has, most of them short."""
    short = [("human", "continue"), ("gpt", turns[0][1])]
    return [*turns, *short * MOST_TURNS][:MOST_TURNS]


def grown(turns: list[Turn], at: int) -> list[Turn]:
    """A turn repeated until it is longer than the longest one seen."""
    speaker, text = turns[at]
    text = BREAK.join([text] * (2 + LONGEST // len(text)))
    return [*turns[:at], (speaker, text), *turns[at + 1 :]]


IMAGE_CODE = inside('```html\n<div class="sail">\n  <p>anvil</p>\n</div>\n```\nThen put `<image>` into the template.')
HTML = inside('<div class="rope">An <b>uneven</b> <a href="https://rope.invalid">rope</a></div>')
REFUSAL = "I cannot lift an anvil, as an AI language model trained by OpenAI."
BUSY = "Too many requests in 1 hour: come back when the tide turns."

FAULTS: tuple[tuple[float, Callable[[Draft], list[Turn]]], ...] = (  # so many of 1,011 real ones, what is wrong
    (3, lambda draft: [*draft.turns[:2], *draft.turns[1:]]),
    (8, lambda draft: draft.turns[:1]),
    (2, lambda draft: [draft.turns[0], ("gpt", ""), *draft.turns[2:]]),
    (2, lambda draft: [*draft.turns, ("human", ""), ("gpt", "You are welcome.")]),
    (1, lambda draft: [("system", inside(sentence(draft.rng))), *draft.turns]),
    (27, lambda draft: with_answer(draft.turns, HTML)),
    (180, lambda draft: with_answer(draft.turns, draft.rng.choice(draft.pieces.foreign))),
    (57, lambda draft: [(speaker, answer(draft.rng, draft.pieces.foreign)) for speaker, _ in draft.turns]),
    (16, lambda draft: with_answer(draft.turns, "Zero\u200bwidth \u200b\ufeffspaces")),
    (2, lambda draft: with_names(draft.turns, human="user", gpt="chatgpt")),
    (1, lambda draft: with_names(draft.turns, human="human", gpt="bard")),
    (1, lambda draft: with_names(draft.turns, human="user", gpt="bing")),
    (6, lambda draft: [draft.turns[0], ("gpt", REFUSAL), *draft.turns[2:]]),
    (3, lambda draft: [draft.turns[0], ("gpt", BUSY)]),
    (1, lambda draft: many(draft.turns)),
    (2, lambda draft: grown(draft.turns, 0)),
    (3, lambda draft: grown(draft.turns, 1)),
    (2, lambda draft: with_answer(draft.turns, IMAGE_CODE)),
    (2, lambda draft: [("human", IMAGE_CODE), *draft.turns[1:]]),
    (60, lambda draft: [*draft.turns, ("human", draft.rng.choice(draft.pieces.questions))]),
)


def faulty(draft: Draft, *, number: int) -> list[Turn]:
    """The turns with at most one fault: the first conversations show each in turn, later ones at its rate."""
    if number < len(FAULTS):
        return FAULTS[number][1](draft)
    left = draft.rng.random() * 1_011
    for share, fault in FAULTS:
        left -= share
        if left < 0:
            return fault(draft)
    return draft.turns


def conversation_name(number: int) -> str:
    """Seven letters and digits, different for each number."""
    scattered = (number + 1) * 2_654_435_761 % len(ALPHABET) ** 7
    return "".join(ALPHABET[scattered // len(ALPHABET) ** place % len(ALPHABET)] for place in range(7))


def records(rng: Random, scale: float) -> Iterator[str]:
    """One conversation after the other; a third continue an earlier one and start with an answer.

    A few repeat the id of the conversation before, a few its first pair.
    """
    pieces = Pieces(
        [inside(question(rng)) for _ in range(scaled(20_000, scale, least=200))],
        [inside(paragraph(rng)) for _ in range(scaled(20_000, scale, least=400))],
        [inside(foreign_paragraph(rng)) for _ in range(scaled(5_000, scale, least=100))],
    )
    name, part, first_pair = conversation_name(0), 0, plain_turns(rng, pieces)[:2]
    for number in range(scaled(CONVERSATIONS, scale, least=40)):
        turns = faulty(Draft(plain_turns(rng, pieces), rng, pieces), number=number)
        if number % 300 == 22:
            turns[:2] = first_pair
        if number % 3 == 2 and number >= len(FAULTS):
            turns = [("gpt", answer(rng, pieces.paragraphs)), *turns][:MOST_TURNS]
            part += rng.choice((1, 1, 2, 9, 21))
        elif number % 300 != 25:
            name, part = conversation_name(number), 0
        first_pair = turns[:2]
        values = ", ".join(f'{{"from": "{speaker}", "value": "{text}"}}' for speaker, text in turns)
        yield f'{{"id": "{name}_{part}", "conversations": [{values}]}}'


def write_sharegpt(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """The single file of ShareGPT, the same with scenes and without."""
    del scenes  # its conversations have no pictures, so nothing in them can be true of one
    rng = source_rng("sharegpt", seed=seed)
    made = records(rng, scale)
    return [write_records(folder / "ShareGPT_V3_unfiltered_cleaned_split.json", made)]
