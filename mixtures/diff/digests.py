"""Records as numbers: enough to tell what is equal and what is not, without keeping a text.

All digests are 64 bits and hold within one run only. Two different texts among the ten million of a comparison get one
digest with a chance of about one in 400,000. Texts are read again only for the examples that are shown, not kept.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from mix665k.builders.llava_records import LLAVA_JSON
from mix665k.mixtures.diff.comparison import Side
from mix665k.mixtures.diff.prompts import take_apart
from mix665k.mixtures.inspect.measure import count_words
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.llava_json import Faults
from mix665k.mixtures.storage.parquet import from_dicts, images_of, joined_images
from mix665k.mixtures.storage.prompt_kinds import prompt_form, told_source
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.manifest import Manifest

Numbers = npt.NDArray[np.uint64]
_SEED = 665
OTHER_PROMPT = "another prompt"
_HAS_IMAGE = pl.col("image") != 0
_STEP = np.uint64(0x9E3779B97F4A7C15)
"""Of splitmix64: what sets equal values at different places apart."""


class Digests(NamedTuple):
    """Some records; the pairs of record k are `starts[k]` up to `starts[k + 1]` of questions and answers.

    `records` has a row for each:
        id, image, key     of reference id, images (0: none) and unique id; `key` is of mixtures only, as are the next
        origins, steps     of these lists, in order
        system             of the text of a system turn (0: none)
        integer            whether the id is an integer in LLaVA's own form
        pairs, words       their numbers
        told, folder       the source that image folder and prompt form tell; the image's folder
        form               the prompt form of the first question, or the text of a recipe's own prompt
        first              of the first question as it stands
        stem, last         of the first question without its last line, and of that line (0: one line, or known prompt)
        token, prompts     where the image token stands; of the prompts of all questions
    `questions` are those without image token and prompt.
    """

    records: pl.DataFrame
    questions: Numbers
    answers: Numbers

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where the pairs of each record begin."""
        counts = self.records["pairs"].to_numpy()
        return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)[: len(counts)]


def digest(rows: pa.RecordBatch, integer: Sequence[bool], prompts: Sequence[str], *, provenance: bool) -> Digests:
    """Reduce rows without faults; `integer` says of each whether its id is an integer, `provenance` is of mixtures."""
    turns = pl.Series("turn", rows.column("conversations").flatten().flatten()[1])
    questions, answers = turns.gather_every(2), turns.gather_every(2, 1)
    parts = take_apart(questions, prompts)
    counts = pc.list_value_length(rows.column("conversations")).to_numpy() // 2
    starts = np.cumsum(counts) - counts
    texts = pl.DataFrame({"question": questions, "answer": answers})
    words = texts.select(count_words(pl.col(name)).cast(pl.Int64) for name in texts.columns).sum_horizontal()
    first = pl.DataFrame({"first": questions.gather(starts)}).hstack(parts[starts])
    num_images = pl.Series(pc.list_value_length(images_of(rows))).cast(pl.Int64)
    records = pl.DataFrame(rows.select(["id", "reference_id", "system"])).with_columns(
        pairs=counts,
        image=pl.Series(joined_images(rows), dtype=pl.String),
        words=pl.Series(np.add.reduceat(words.to_numpy(), starts)) - num_images,
        form=first.select(prompt_form(pl.col("first"), prompts)).to_series(),
    )
    image = pl.col("image")
    records = records.select(
        pl.col("reference_id").hash(_SEED).alias("id"),
        *(
            pl.when(pl.col(name).is_null()).then(pl.lit(0, pl.UInt64)).otherwise(pl.col(name).hash(_SEED)).alias(name)
            for name in ("image", "system")
        ),
        pl.col("id").hash(_SEED).alias("key"),
        pl.Series("integer", integer, pl.Boolean),
        "pairs",
        "words",
        told_source(image, pl.col("form")).alias("told"),
        image.str.extract("^([^/]*)/").fill_null("").alias("folder"),
        pl.col("form").cast(pl.String),
        prompts=pl.Series(summed(_of_texts(prompts)[parts["prompt"].to_numpy()], starts, ordered=True)),
        **{name: _of_lists(rows.column(name), provenance=provenance) for name in ("origins", "steps")},
    )
    hashed = [series.hash(_SEED).to_numpy() for series in (parts["bare"], answers)]
    return Digests(records.hstack(_of_first(first)), *hashed)


def join(parts: Sequence[Digests]) -> Digests:
    """Digests of several batches, in order."""
    return Digests(
        pl.concat([part.records for part in parts], rechunk=True),
        np.concatenate([part.questions for part in parts]),
        np.concatenate([part.answers for part in parts]),
    )


def pairs_of(digests: Digests, rows: npt.NDArray[Any]) -> pl.DataFrame:
    """`question` and `answer` of the pairs of some records, in order, with the `row` of the record."""
    counts = digests.records["pairs"].to_numpy()[rows]
    first = np.repeat(digests.starts[rows] - (np.cumsum(counts) - counts), counts)
    at = first + np.arange(len(first))
    return pl.DataFrame(
        {"row": np.repeat(rows, counts), "question": digests.questions[at], "answer": digests.answers[at]}
    )


def with_pair_sums(digests: Digests) -> Digests:
    """The same with the columns `ordered` and `unordered`: of the pairs of each record, in order and as a multiset."""
    pairs = mixed(digests.questions ^ mixed(digests.answers + _STEP))
    sums = {name: summed(pairs, digests.starts, ordered=name == "ordered") for name in ("ordered", "unordered")}
    return digests._replace(records=digests.records.with_columns(**{k: pl.Series(v) for k, v in sums.items()}))


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


def summed(values: Numbers, starts: npt.NDArray[Any], *, ordered: bool) -> Numbers:
    """One digest for the values of each record, of which each has some; `ordered` says whether their order counts.

    A value of 0 is none: it changes nothing.
    """
    if not len(starts):
        return np.zeros(0, np.uint64)
    placed = values
    if ordered:
        counts = np.diff(starts, append=len(values))
        placed = values + (np.arange(len(values)) - np.repeat(starts, counts)).astype(np.uint64) * _STEP
    return np.add.reduceat(np.where(values == 0, np.uint64(0), mixed(placed)), starts)


def mixed(values: Numbers) -> Numbers:
    """Each value under a bijection that spreads it over all bits (the last step of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _of_texts(prompts: Sequence[str]) -> Numbers:
    """Of each prompt by its number; 0 for none."""
    return np.concatenate([np.zeros(1, np.uint64), pl.Series(prompts, dtype=pl.String).hash(_SEED).to_numpy()])


def _of_lists(lists: pa.ListArray, *, provenance: bool) -> pl.Series:
    """Of the texts of each list, in order."""
    if not provenance:
        return pl.Series(np.zeros(len(lists), np.uint64))
    joined = pc.binary_join(lists, "\0")
    return pl.Series(joined).hash(_SEED)


def _of_first(first: pl.DataFrame) -> pl.DataFrame:
    """`first`, `stem`, `last` and `token` of the first questions."""
    bare = pl.col("bare")
    open_end = (pl.col("prompt") == 0) & bare.str.contains("\n", literal=True)
    stem, last = bare.str.replace(r"\n[^\n]*\z", ""), bare.str.extract(r"\n([^\n]*)\z")
    return first.select(
        pl.col("first").hash(_SEED),
        *(
            pl.when(open_end).then(text.hash(_SEED)).otherwise(pl.lit(0, pl.UInt64)).alias(name)
            for name, text in (("stem", stem), ("last", last))
        ),
        "token",
    )


class DigestedMixture(NamedTuple):
    """One side: how it is presented, and its records.

    They have two columns more: `at`, the place in the JSON list or among the mixture's rows, and `source`, which a
    mixture says and a file leaves open (null).
    """

    side: Side
    digests: Digests
    manifest: Manifest | None

    @property
    def records(self) -> pl.DataFrame:
        """A row for each record, as `Digests` has it."""
        return self.digests.records

    def with_records(self, records: pl.DataFrame) -> "DigestedMixture":
        """The same with other columns."""
        return self._replace(digests=self.digests._replace(records=records))


def digest_mixture(mixture: Mixture, prompts: Sequence[str], *, advance: Advance) -> DigestedMixture:
    """A mixture's records; of a JSON file those without faults, the others are counted.

    Raises:
        MixtureError: when the mixture is damaged.
        RawDataError: when the file is no JSON list.
    """
    faults, manifest = Faults(), mixture.manifest
    parts = [digest(from_dicts([]), [], prompts, provenance=False)]
    places: list[int] = []
    names = [pl.Series(dtype=pl.String)]
    for batch in mixture.batches(advance=advance, checked=True, faults=faults):
        parts.append(digest(batch.rows, batch.integer_ids, prompts, provenance=manifest is not None))
        places += batch.places
        source = batch.entry and batch.entry.name
        names.append(pl.Series([source], dtype=pl.String).new_from_index(0, len(batch.rows)))
    side = Side(
        path=str(mixture.path),
        kind="mixture" if manifest else LLAVA_JSON,
        name=mixture.name,
        records=len(places),
        row_hash=manifest.row_hash if manifest else None,
        faults=faults.count,
        fault_examples=faults.examples,
    )
    digests = join(parts)
    columns = digests.records.with_columns(at=pl.Series(places, dtype=pl.Int64), source=pl.concat(names))
    return DigestedMixture(side, digests._replace(records=columns), manifest)
