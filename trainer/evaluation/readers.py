"""What an answer says: yes or no, or a letter; each benchmark's own reading, as its official program has it."""

import re
from collections.abc import Mapping
from typing import Literal

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_STATED = re.compile(r"The answer is ([A-Z]).")
_SAYS = re.compile(r"answer is \**([A-Z])\b", re.IGNORECASE)
_TO_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_LAST_WORDS = 4


def pope_yes(text: str) -> bool:
    """POPE's reading: no where `No`, `no` or `not` is a word of the first sentence, else yes."""
    return not {"No", "not", "no"} & set(text.partition(".")[0].replace(",", "").split(" "))


def mme_reading(text: str) -> Literal["yes", "no", "other"]:
    """MME's reading: yes or no, else one of them in the first four characters, yes before no."""
    start = text.lower()[:4]
    return "yes" if "yes" in start else "no" if "no" in start else "other"


def scienceqa_letter(text: str, *, num_choices: int) -> int | None:
    """The option that LLaVA's script reads in an answer to ScienceQA; None for no reading: nothing is guessed."""
    letter = ""
    if text in tuple("ABCDE") or (text[:1] in tuple("ABCDE") and text[1:3] == ". "):
        letter = text[0]
    elif len(stated := _STATED.findall(text)) == 1:
        letter = stated[0]
    option = LETTERS.index(letter) if letter else num_choices
    return option if option < num_choices else None


def option_letter(text: str, options: Mapping[str, str]) -> str | None:
    """The letter that VLMEvalKit reads without a judge; None for no reading: nothing is guessed."""
    if text in options:
        return text
    words = text.translate(_TO_SPACES).split()
    named = [letter for letter in options if letter in words]
    if len(named) == 1 and named[0] in words[-_LAST_WORDS:]:
        return named[0]
    said = {found.upper() for found in _SAYS.findall(text)} & options.keys()
    if len(said) == 1:
        return str(said.pop())
    lower = text.lower()
    if len(text) <= 2 * sum(map(len, options.values())):
        quoted = [letter for letter, option in options.items() if option.lower() in lower]
        if len(quoted) == 1:
            return quoted[0]
    return None


def first_letter(text: str) -> str | None:
    """A letter from A to D at the beginning, with nothing, `.`, `)` or a space after it."""
    return text[0] if text[:1] in tuple("ABCD") and text[1:2] in ("", ".", ")", " ") else None
