"""What is answered: the most common texts, yes and no, option letters."""

import polars as pl
import pyarrow as pa

from mix665k.mixtures.inspect.findings import Answers

MAX_CHARS = 100
"""Longer answers are counted, not compared: nearly all of them differ, and their texts would fill the memory."""
MOST_COMMON = 10
LETTERS = "ABCD"


class AnswerCounter:
    """Counts the answers of one source after another, or of several at once, batch by batch."""

    def __init__(self) -> None:
        self._batches: list[pl.DataFrame] = []

    def add(self, rows: pa.RecordBatch, sources: pl.Series) -> None:
        """Count the answers of a batch of sound rows; `sources` has the source of each."""
        conversations = rows.column("conversations")
        turns = pl.DataFrame({"text": conversations.flatten().field("value")})
        num_pairs = pl.Series(conversations.value_lengths()) // 2
        asked = sources.cast(pl.String).repeat_by(num_pairs).explode().drop_nulls()
        short = pl.when(pl.col("text").str.len_chars() <= MAX_CHARS).then("text")
        answers = turns.select(short).gather_every(2, 1).with_columns(source=asked)
        self._batches.append(answers.group_by("source", "text").len())

    def found(self, source: str) -> Answers | None:
        """The answers of one source, None without any; they are forgotten with it."""
        batches = [batch.filter(pl.col("source") == source) for batch in self._batches]
        self._batches = [batch.filter(pl.col("source") != source) for batch in self._batches]
        self._batches = [batch for batch in self._batches if not batch.is_empty()]
        texts = pl.concat([_NONE, *batches], how="vertical_relaxed").group_by("text").agg(pl.col("len").sum())
        return None if texts.is_empty() else _answers(texts)


_NONE = pl.DataFrame(schema={"source": pl.String, "text": pl.String, "len": pl.UInt32})


def _answers(texts: pl.DataFrame) -> Answers:
    short = texts.drop_nulls("text").sort(["len", "text"], descending=[True, False])
    word = pl.col("text").str.strip_suffix(".").str.to_lowercase()
    counts = {key: int(short.filter(word == key)["len"].sum()) for key in ("yes", "no")}
    return Answers(
        common=dict(short.head(MOST_COMMON).select("text", "len").rows()),
        distinct=short.height,
        longer=int(texts.filter(pl.col("text").is_null())["len"].sum()),
        yes=counts["yes"],
        no=counts["no"],
        letters={letter: int(short.filter(pl.col("text") == letter)["len"].sum()) for letter in LETTERS},
    )
