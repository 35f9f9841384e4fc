"""The script that a text is written in: Han, Kana, Hangul, Cyrillic, Latin and whatever else Unicode names."""

import unicodedata
from collections import Counter
from functools import cache

_NAMES = {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana", "HALFWIDTH": "Kana", "FULLWIDTH": "Latin"}
_OF_WORDS = {"Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari"}
"""Scripts whose words count once: one Latin name in a Chinese sentence would outweigh its characters by letters."""
_ALONG = {"Kana": {"Kana", "Han"}}
"""What else a text of a script is written in: Japanese has characters of Chinese."""


def script_of(text: str) -> str | None:
    """The script of most words and characters of a text, Kana where it is Japanese; None for a letter or a number."""
    units = _units(text)
    if not units or (units.keys() <= _OF_WORDS and sum(map(str.isalpha, text)) == 1):
        return None
    if units["Kana"] and units["Kana"] + units["Han"] >= max(units.values()):
        return "Kana"
    return max(units, key=lambda name: units[name])


def is_in(text: str, script: str) -> bool:
    """Whether more than half of a text's words and characters are in a script or what goes along with it."""
    units = _units(text)
    return sum(units[name] for name in _ALONG.get(script, {script})) > sum(units.values()) / 2


def _units(text: str) -> Counter[str]:
    units: Counter[str] = Counter()
    before = None
    for character in text:
        name = _script(character)
        if name is not None and not (name == before and name in _OF_WORDS):
            units[name] += 1
        before = name
    return units


@cache
def _script(character: str) -> str | None:
    if not character.isalpha():
        return None
    first = unicodedata.name(character, "").partition(" ")[0]
    return _NAMES.get(first, first.capitalize() or None)
