"""Prompts that are not known beforehand: a last line, behind a question that the other side asks without it."""

import polars as pl

from mix665k.mixtures.diff.digests import Digests, mixed

OTHER_PROMPT = "another prompt"
_HAS_IMAGE = pl.col("image") != 0


def recognise_prompts(side: Digests, other: Digests) -> Digests:
    """Take the last line of a first question for a prompt where the other side asks the rest about the same image.

    Questions that the other side has as they stand are left alone, and so are text-only records, whose questions have
    several lines of their own.
    """
    stems = side.records.select("image", "first", "stem").with_row_index("row")
    stems = stems.filter((pl.col("stem") != 0) & _HAS_IMAGE).join(other.records, on=["image", "first"], how="anti")
    asked = other.records.select("image", stem=pl.Series(other.questions[other.starts])).filter(_HAS_IMAGE)
    rows = stems.join(asked, on=["image", "stem"], how="semi")["row"].to_numpy()
    if not len(rows):
        return side
    questions = side.questions.copy()
    questions[side.starts[rows]] = side.records["stem"].to_numpy()[rows]
    prompts = side.records["prompts"].to_numpy().copy()
    prompts[rows] += mixed(side.records["last"].to_numpy()[rows])  # as `summed` would for the first question
    forms = side.records["form"].scatter(rows, OTHER_PROMPT)
    return side._replace(records=side.records.with_columns(forms, prompts=pl.Series(prompts)), questions=questions)
