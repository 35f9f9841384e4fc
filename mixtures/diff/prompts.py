"""Taking questions apart: the image token, the response-format prompt, and what is asked."""

from collections.abc import Sequence

import polars as pl

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.prompts import OCR_LINE, RESPONSE_FORMATS

TOKEN_PLACES = ("none", "before the question", "after the question", "elsewhere")
"""Where the image token stands, in the order of their numbers."""
_CAPTION = RESPONSE_FORMATS["caption"]
"""Stands before the OCR tokens of TextCaps, as a prompt of one's own may; others come after the question."""


def take_apart(questions: pl.Series, prompts: Sequence[str]) -> pl.DataFrame:
    """What each question is made of.

    bare    what is asked, without image token and prompt
    prompt  the number of its prompt among `prompts`, from 1; 0 for none of them
    token   the number of its image token's place in `TOKEN_PLACES`
    """
    frame = pl.DataFrame({"bare": _without_token(questions), "token": _token_places(questions)})
    frame = frame.with_columns(prompt=pl.lit(0, pl.UInt8))
    bare = pl.col("bare")
    for number, prompt in enumerate(prompts, start=1):
        ends = bare.str.ends_with(f"\n{prompt}") | (bare == prompt)
        frame = _take(frame, number, has_it=ends, rest=bare.str.strip_suffix(prompt).str.strip_suffix("\n"))
        start = f"{prompt}\n" if prompt == _CAPTION else f"{prompt}\n{OCR_LINE}"
        frame = _take(frame, number, has_it=bare.str.starts_with(start), rest=bare.str.strip_prefix(f"{prompt}\n"))
    return frame


def _take(frame: pl.DataFrame, number: int, *, has_it: pl.Expr, rest: pl.Expr) -> pl.DataFrame:
    """Take a prompt off where a question has it and none has been taken yet."""
    found = frame.select(found=has_it & (pl.col("prompt") == 0)).to_series()
    if not found.any():
        return frame
    taken = pl.when(found).then(pl.lit(number, pl.UInt8)).otherwise(pl.col("prompt"))
    return frame.with_columns(bare=pl.when(found).then(rest).otherwise(pl.col("bare")), prompt=taken)


def _without_token(questions: pl.Series) -> pl.Series:
    text = questions.str.strip_prefix(f"{IMAGE_TOKEN}\n").str.strip_suffix(f"\n{IMAGE_TOKEN}")
    if text.str.contains(IMAGE_TOKEN, literal=True).any():
        return text.str.replace_all(IMAGE_TOKEN, "", literal=True)
    return text


def _token_places(questions: pl.Series) -> pl.Series:
    question = pl.col("question")
    place = (
        pl.when(~question.str.contains(IMAGE_TOKEN, literal=True))
        .then(0)
        .when(question.str.starts_with(f"{IMAGE_TOKEN}\n"))
        .then(1)
        .when(question.str.ends_with(f"\n{IMAGE_TOKEN}"))
        .then(2)
        .otherwise(3)
    )
    return questions.to_frame("question").select(place.cast(pl.UInt8)).to_series()
