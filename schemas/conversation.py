"""The conversation: as sources and steps handle it, and as a mixture's shards hold it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec

IMAGE_TOKEN = "<image>"
"""Stands where an image goes, in a human turn; LLaVA's own records have one, in the first (`DEFAULT_IMAGE_TOKEN`)."""

BOX = re.compile(r"\[(-?\d+\.\d+), (-?\d+\.\d+), (-?\d+\.\d+), (-?\d+\.\d+)\]")
"""A region box in a text: left, top, right, bottom, as fractions."""


class Pair(msgspec.Struct, gc=False):
    """One question with its answer, and the raw id that it came from.

    Sources and steps handle pairs, so that human and gpt alternate by construction. Turns exist in shards and schemas
    only.
    """

    question: str
    answer: str
    origin: str


# sources and steps handle pairs, so that human and gpt alternate by construction; turns exist in shards only
class Conversation(msgspec.Struct, gc=False, kw_only=True):
    """Question-answer pairs about one image, several or none.

    `id` is the raw id; `several` says that this raw id can give several conversations, which then are numbered
    `#0`, `#1`, … in the mixture. `history` tells what the steps did to it, and `position` is its place in the order of
    the raw file. `more_images` come after `image` in the order of their tokens; `system` is a system turn's text.
    """

    id: str
    image: str | None
    pairs: list[Pair]
    several: bool = False
    history: tuple[str, ...] = ()
    position: int = 0
    more_images: tuple[str, ...] = ()
    system: str | None = None

    @property
    def images(self) -> list[str]:
        """All images, in reading order."""
        return in_order(self.image, self.more_images)


def in_order(image: str | None, more_images: Iterable[str] | None) -> list[str]:
    """The images of a record, in reading order: the first, as most have no other, is a column of its own."""
    return [*([] if image is None else [image]), *(more_images or ())]


def count_tokens(pairs: Iterable[Pair]) -> int:
    """How many image tokens the questions have."""
    return sum(pair.question.count(IMAGE_TOKEN) for pair in pairs)


class Turn(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What one side says."""

    role: Literal["human", "gpt"] = msgspec.field(name="from")
    value: Annotated[str, msgspec.Meta(min_length=1)]


class Record(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One row of a mixture."""

    id: Annotated[str, msgspec.Meta(pattern=r"^\w+/.+$", description="unique in the mixture: source/raw id[#k]")]
    source: Annotated[str, msgspec.Meta(pattern=r"^\w+$")]
    image: Annotated[str, msgspec.Meta(min_length=1, description="the first image")] | None
    conversations: Annotated[list[Turn], msgspec.Meta(min_length=2)]
    origins: Annotated[list[str], msgspec.Meta(min_length=1, description="one raw id per question-answer pair")]
    steps: Annotated[list[str], msgspec.Meta(description="what was done to this record, in order")]
    reference_id: Annotated[str, msgspec.Meta(description="the id that LLaVA's own file gives it")]
    more_images: (
        Annotated[
            list[Annotated[str, msgspec.Meta(min_length=1)]],
            msgspec.Meta(min_length=1, description="those after the first, in the order of their tokens"),
        ]
        | None
    ) = None
    system: Annotated[str, msgspec.Meta(min_length=1, description="the text of a system turn")] | None = None

    @property
    def images(self) -> list[str]:
        """All images, in reading order: one for each image token of the human turns."""
        return in_order(self.image, self.more_images)


_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that show nothing."""
VISIBLE = rf"[^\p{{Z}}\p{{M}}\p{{Cc}}\p{{Cf}}{_FILLERS}]"
"""A character that a reader sees, for Rust's regular expressions; combining marks need one before them."""
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Mn", "Mc", "Me", "Cc", "Cf", "Cs"})
"""The same as Unicode's categories; a character that this Python does not know yet is taken for a visible one."""


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing: no text, white space, or invisible characters alone."""
    if text[:1].isalnum() and text[0] not in _FILLERS:  # nearly every text, in a tenth of the time
        return False
    return all(char in _FILLERS or unicodedata.category(char) in _UNSEEN for char in text)


def values(conversation: Conversation) -> Iterator[str]:
    """The texts of the turns, human and gpt in turn, with an only image's token in front where there is none yet."""
    # written last, when a conversation leaves the steps: LLaVA-Instruct has its own token, at the end at times, and
    # merging, splitting and prompts would have to move it
    missing = len(conversation.images) == 1 and not count_tokens(conversation.pairs)
    for pair in conversation.pairs:
        yield f"{IMAGE_TOKEN}\n{pair.question}" if missing else pair.question
        yield pair.answer
        missing = False


def fault(turns: list[str], *, num_images: int, boxes: bool) -> str | None:
    """What is wrong with the texts of a conversation (human and gpt in turn), or None.

    Checks what a JSON Schema cannot say: whole pairs, no empty turn, as many image tokens in the human turns as there
    are images, and none in the others; with `boxes`, for sources that write them, region boxes within 0..1. What others
    write in brackets may be pixels, or anything.
    """
    if not turns or len(turns) % 2:
        return f"{len(turns)} turns, expected human and gpt in turn"
    found = 0
    for i, value in enumerate(turns):
        tokens = value.count(IMAGE_TOKEN)
        if tokens and i % 2:
            return f"{tokens} {IMAGE_TOKEN} in turn {i}, expected 0"
        found += tokens
        if is_blank(value.replace(IMAGE_TOKEN, "") if tokens else value):
            return f"turn {i} is empty"
        if boxes and num_images and "[" in value:  # looked for first: most texts have none, and the expression is slow
            edges = (float(edge) for box in BOX.findall(value) for edge in box)
            if not all(0.0 <= edge <= 1.0 for edge in edges):
                return f"turn {i} holds a box outside 0..1: {value[-80:]!r}"
    if found != num_images:
        return f"{found} {IMAGE_TOKEN} in the human turns, expected {num_images}"
    return None
