"""Made-up words and sentences; none is taken from a real file."""

from collections.abc import Callable, Sequence
from random import Random

from mix665k.builders.synthetic.files import quoted


def split_words(text: str, separator: str = " ") -> list[str]:
    """The words of a list that is written as one text."""
    return text.split(separator)


WORDS: dict[str, list[str]] = {
    "noun": split_words(
        "kettle lantern ladder barrel basket canoe wagon puppet anvil candle compass drum feather goblet hammer "
        "jar kite loom mirror needle oar parasol quilt rope saddle teapot umbrella violin wheel yarn badge crate "
        "pelican otter heron badger mule falcon gardener baker sailor juggler painter fiddler carpenter shepherd",
    ),
    "adj": split_words(
        "amber crooked dusty faded gentle hollow ivory jagged lavender mossy narrow ochre polished quiet rusty "
        "silver tangled uneven velvet wooden yellow striped spotted heavy tiny enormous broken shiny soft pale",
    ),
    "verb": split_words(
        "carry fold gather lift mend paint polish repair sort stack tighten weigh wrap check clean compare count "
        "move open close measure label store borrow trade balance sketch varnish",
    ),
    "doing": split_words(
        "leaning standing resting spinning waiting hanging floating sleeping balancing turning drifting kneeling "
        "climbing juggling sailing marching crouching glowing tumbling swinging",
    ),
    "where": split_words(
        "beside|behind|above|below|in front of|next to|under|near|on top of|to the left of|to the right of|inside",
        "|",
    ),
    "place": split_words(
        "harbour orchard workshop attic meadow courtyard quarry bakery lighthouse granary ferry bridge cellar "
        "greenhouse market station balcony dune chapel pier stable terrace",
    ),
    "color": split_words("red blue green orange purple brown black white grey pink teal maroon"),
    "number": split_words("0 1 2 3 4 5 6 7 8 9 10 12 15 20 24 30"),
    "material": split_words("wood|brass|clay|glass|wool|tin|stone|leather|straw|paper|oiled canvas|cast iron", "|"),
    "name": split_words("Oren Tilda Marek Suvi Anouk Dario Ilse Bram Petra Joss Linnea Caspar Runa Emeric Odile"),
    "family": split_words("Vantrell Osgoode Merrin Halloway Quist Tarrow Belcourt Nimms Ashdene Korvane Pellinor Wray"),
    "brand": split_words("Zorvex Kelpin Bramline Ottaro Quillo Fenwark Luntz Maribo Tessik Vanderoo Plimsy Grund"),
    "topic": split_words(
        "knot tying|tide tables|bread ovens|map folding|bell casting|seed storage|rope making|lamp wicks|"
        "boat repair|clock weights|paper dyes|well digging|bee keeping|roof thatching",
        "|",
    ),
}


class Words:
    """A mapping whose every look-up draws a new word, made for `str.format_map`."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def __getitem__(self, kind: str) -> str:
        return self.rng.choice(WORDS[kind])


def fill(rng: Random, templates: Sequence[str]) -> str:
    """One of the templates with a fresh word in each of its fields."""
    return rng.choice(templates).format_map(Words(rng))


def pool(rng: Random, size: int, make: Callable[[Random], str]) -> list[str]:
    """`size` made-up texts as JSON strings; sources draw from pools instead of inventing each text anew."""
    return [quoted(make(rng)) for _ in range(size)]


def sentence(rng: Random) -> str:
    """A sentence about how to do something."""
    return fill(
        rng,
        (
            "To {verb} the {adj} {noun}, first {verb} the {noun} that stands {where} the {place}.",
            "The {adj} {noun} is usually kept {where} the {noun}, because the {place} is too {adj} for it.",
            "You could also {verb} it {where} the {noun} and then {verb} every {adj} part again.",
            "In {topic}, a {noun} made of {material} lasts about {number} years longer than one made of {material}.",
            "{name} {family} would {verb} the {noun} before anyone else had to {verb} the {place}.",
            "If the {noun} stays {adj}, {verb} it once more and let it rest {where} the {adj} {place}.",
            "Most people who care about {topic} agree that the {noun} should never {verb} a {noun}.",
        ),
    )


def scene_sentence(rng: Random) -> str:
    """A sentence about what can be seen."""
    return fill(
        rng,
        (
            "The {adj} {noun} is {doing} {where} the {color} {noun}, close to the {place}.",
            "There are {number} {color} {noun}s {doing} {where} the {adj} {place}.",
            "A {adj} {noun} made of {material} can be seen {where} the {noun}.",
            "In the background, a {color} {noun} is {doing} {where} the {adj} {noun}.",
            "It seems that the {noun} was left {where} the {place} by a {adj} {noun}.",
        ),
    )


def scene_question(rng: Random) -> str:
    """A question about a picture that wants more than one word."""
    return fill(
        rng,
        (
            "What is the {noun} {where} the {place} doing?",
            "Where is the {adj} {noun} in relation to the {noun}?",
            "What might be the reason for the {noun} {doing} {where} the {place}?",
            "How does the {color} {noun} differ from the {adj} {noun}?",
            "Can you tell how many {adj} {noun}s are {doing} there?",
        ),
    )


def caption(rng: Random) -> str:
    """A caption as shops and photo sites write them, without a final period."""
    return fill(
        rng,
        (
            "a {adj} {noun} {doing} {where} the {adj} {place} next to a {color} {noun} "
            "made of {material} and {material}",
            "{color} {material} {noun} with a {adj} {noun} - handmade in the {place}, {number} pieces stock photo",
            "the {noun} and the {adj} {noun} {doing} {where} a {color} {noun} on a {adj} day at the {place}",
            "{brand} {adj} {noun}, {color}, set of {number}, for {topic} and {topic} | {family} & sons {place}",
            "how to {verb} a {adj} {noun}: {number} ideas for {topic} in a {adj} {place} by {name} {family}",
        ),
    )


def phrase(rng: Random) -> str:
    """A phrase for one region of a picture."""
    return fill(
        rng,
        (
            "the {noun} is {adj}",
            "{color} {noun} {where} the {noun}",
            "A {adj} {noun} {doing}",
            "{adj} {place} in the distance",
            "the {noun} has a {color} {noun}",
            "A {material} {noun} {where} the {place}.",
        ),
    )
