"""What a question asks, without what LLaVA's format puts around it, in a form in which equal questions are equal."""

from collections.abc import Collection

import polars as pl
import pyarrow.compute as pc

from mix665k.mixtures.storage.prompt_kinds import LINE_STARTS
from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.prompts import OCR_LINE, REGION_QUESTIONS, RESPONSE_FORMATS

UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."
"""VizWiz's prompt (paper, table 8)."""
_OCR_LINE = rf"{OCR_LINE}[^\n]*"
_OPTIONS = r"\nA\. [^\n]*(?:\n[B-Z]\. [^\n]*)*\s*$"
"""The option lines that end a multiple-choice question."""


def asked(questions: pl.Series, answers: pl.Series, prompts: Collection[str] = ()) -> pl.Series:
    """The text of each pair to compare, normalised; null where nothing is asked but a prompt.

    Of a region it is the sentence that describes it, on whichever side that stands. `prompts` are lines that
    recipes add.
    """
    describes = questions.str.contains(LINE_STARTS["describe region"], literal=True)
    return normalised(bare(answers.zip_with(describes, questions), prompts))


def bare(texts: pl.Series, prompts: Collection[str] = ()) -> pl.Series:
    """The texts without image token, response-format prompts, OCR line, option lines and region prompts."""
    lines = "|".join([*(_escaped(line) for line in {*RESPONSE_FORMATS.values(), UNANSWERABLE, *prompts}), _OCR_LINE])
    texts = texts.str.replace_all(IMAGE_TOKEN, "", literal=True).str.replace_all(f"(?m)^(?:{lines})$", "")
    return texts.str.replace(_OPTIONS, "").str.replace(f"^\\s*{_escaped(REGION_QUESTIONS['locate_region'])}", "")


def normalised(texts: pl.Series) -> pl.Series:
    """The texts in Unicode's form NFKC, without case, their words parted by single spaces; null where no word is left.

    Case is folded by going to lower, upper and lower case: `ß`, `ẞ` and `SS`, `ς` and `Σ` are equal then. A mark
    belongs to its letter; everything that is neither letter, mark nor number parts words.
    """
    folded = _nfkc(texts).str.to_lowercase().str.to_uppercase().str.to_lowercase()
    folded = _nfkc(
        folded.str.replace_all("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}", literal=True)
    )
    words = folded.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")
    return words.set(words == "", None)


def _nfkc(texts: pl.Series) -> pl.Series:
    """Arrow's is ten times as fast as polars' own."""
    return pl.Series(texts.name, pc.utf8_normalize(texts.to_arrow(), "NFKC"), pl.String)


def _escaped(text: str) -> str:
    """The text as a pattern of Rust's regular expressions that finds itself."""
    return "".join(char if char.isalnum() or char.isspace() else f"\\{char}" for char in text)
