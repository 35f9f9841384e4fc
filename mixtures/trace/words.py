"""The `steps` of a record in words."""

import re

_WORDS = {
    r"merged (\d+)": r"\1 questions or conversations about the image joined",
    r"rotate_(left|right) by (\d+)": r"the options of each question turned \1 by \2 places",
    r"as_is by (\d+)": r"copy \1 of the conversation, the options in raw order",
    r"copy (\d+)": r"copy \1 of the conversation",
    r"prompt added": "a response-format prompt put behind the first question",
    r"prompts added": "a response-format prompt put behind every question",
    r"pairs (\d+)-(\d+)": r"a part of the conversation, which was split",
    r"cut after (\d+) of (\d+) pairs": r"the first \1 of \2 pairs, which fit the token limit",
    r"cut after (\d+) of (\d+) pairs, inside the last answer": (
        r"the first \1 of \2 pairs, the last answer cut where the token limit falls"
    ),
    r"(\d+) regions drawn": r"of all regions of the image; for each one of two prompts drawn",
    r"(\d+) sentences shuffled": r"all about the image; for each one of two prompts drawn",
    r"(\d+) turns cut at the ends": r"those before the first question and behind the last answer",
}


def in_words(done: str) -> str | None:
    """What a step of this text did; None for one that is not known here."""
    for pattern, words in _WORDS.items():
        if found := re.fullmatch(pattern, done):
            return found.expand(words)
    return None
