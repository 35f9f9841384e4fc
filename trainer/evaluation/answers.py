"""How answers are normalised and compared: as the VQA toolkit does, as TextVQA does, with ten people."""

import re
from collections.abc import Sequence
from functools import cache

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.contractions import CONTRACTIONS

NUM_PEOPLE = 10
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_MAX_PERIODS = 32
"""The official code passes `re.UNICODE`, which is 32, where `re.sub` takes the number of replacements."""
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
_NUMBERS["none"] = "0"
_ARTICLES = {"a", "an", "the"}
_BY_MATCHES = (0.0, 0.3, 0.6, 0.9, 1.0)


@cache
def vqa_normalised(text: str) -> str:
    """An answer as the VQA toolkit compares it: no punctuation, numbers as digits, no articles."""
    text = one_line_answer(text)
    bare = text
    number = bool(_COMMA_IN_NUMBER.search(text))
    for mark in _PUNCTUATION:
        if mark in text:  # whether it goes or becomes a space depends on the original text, not on what is left of it
            beside_space = f"{mark} " in text or f" {mark}" in text
            bare = bare.replace(mark, "" if beside_space or number else " ")
    bare = _PERIOD.sub("", bare, count=_MAX_PERIODS)
    words = [_NUMBERS.get(word, word) for word in bare.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


@cache
def evalai_normalised(text: str) -> str:
    """An answer as TextVQA's scorer compares it, and as LLaVA writes it into files for upload."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return vqa_normalised(text.strip())


@cache
def one_line_answer(text: str) -> str:
    """An answer without newlines and tabs, stripped."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def soft_accuracy(prediction: str, people: Sequence[str]) -> float:
    """The share of nine people at a time that agree: the mean over i of min(1, matches among the others / 3).

    By position, never by equality: with k matches among ten it is 0, .3, .6, .9, then 1.
    """
    assert len(people) == NUM_PEOPLE, len(people)
    return _BY_MATCHES[min(people.count(prediction), len(_BY_MATCHES) - 1)]


def require_ten(people: Sequence[str], *, where: str) -> None:
    """The rule is made for ten answers.

    Raises:
        EvaluationError: for another number.
    """
    if len(people) != NUM_PEOPLE:
        raise EvaluationError(
            f"{where}: {len(people)} answers of people, expected {NUM_PEOPLE}; download the file again"
        )


def official_vqa_score(prediction: str, people: Sequence[str]) -> float:
    """VQAv2's rule: both sides are normalised only where the ten answers are not all the same."""
    prediction, people = one_line_answer(prediction), list(map(one_line_answer, people))
    if people.count(people[0]) < len(people):
        prediction, people = vqa_normalised(prediction), list(map(vqa_normalised, people))
    return soft_accuracy(prediction, people)


def always_vqa_score(prediction: str, people: Sequence[str]) -> float:
    """lmms-eval's rule for VQAv2: both sides are always normalised."""
    return soft_accuracy(vqa_normalised(prediction), [vqa_normalised(one) for one in people])


def vizwiz_score(prediction: str, people: Sequence[str]) -> float:
    """VizWiz' rule: the prediction is normalised, people's answers are not."""
    return soft_accuracy(vqa_normalised(prediction), people)


def evalai_score(prediction: str, people: Sequence[str]) -> float:
    """TextVQA's rule, and lmms-eval's for VizWiz."""
    return soft_accuracy(evalai_normalised(prediction), [evalai_normalised(one) for one in people])
