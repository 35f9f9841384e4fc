"""Telling which source each record of a file comes from, by what the other side knows of its own records.

What is sure comes first: the same record there. Then image folder and prompt form, where they leave one source; then
the questions the sources ask about this image; then the texts of the questions, whatever the image.
"""

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from mix665k.mixtures.diff.digests import DigestedMixture, Digests, pairs_of
from mix665k.mixtures.storage.prompt_kinds import by_pairs
from mix665k.mixtures.storage.published_counts import LOOKALIKES, RECORDS

SAME_RECORD = "the same record"
FOLDER = "image folder and prompt"
IMAGE_QUESTIONS = "questions about the image"
QUESTIONS = "question texts"
LEFT = "id and image of what is left"
PAIRS = "number of pairs"
UNDECIDED = "undecided"

_OR = " or "
UNDECIDED_SOURCES = [_OR.join(names) for names in LOOKALIKES.values()]
"""What a record is called where nothing tells which of some sources it comes from."""


class _Known(NamedTuple):
    """Which sources the other side has under (told source, folder) and under a folder alone."""

    told: dict[tuple[str, str], tuple[str, ...]]
    folders: dict[str, frozenset[str]]


def guess_sources(file: DigestedMixture, other: DigestedMixture | None) -> DigestedMixture:
    """The file with `source` and `by`, the evidence for it, on every record; without another side only its own form.

    What stays open between sources is called by all of them.
    """
    known = _known(other.records) if other else _Known({}, {})
    open_ = _with_candidates(file.records.with_row_index("row"), known)
    found: list[pl.DataFrame] = []
    if other:
        found.append(_same_records(open_, other.records))
        open_ = _rest(open_, found)
    found.append(_told(open_.filter("sure"), pl.col("candidates").list.first(), FOLDER))
    open_ = _rest(open_, found)
    if other:
        found.append(_by_image(open_, file.digests, other))
        open_ = _rest(open_, found)
    single = open_.filter(pl.col("candidates").list.len() == 1)
    found.append(_told(single, pl.col("candidates").list.first(), FOLDER))
    open_ = _rest(open_, found)
    if other:
        found.append(_by_text(open_, file.digests, other))
        open_ = _rest(open_, found)
    else:
        for names in LOOKALIKES.values():
            alike = open_.filter(pl.col("candidates").list.join(_OR) == _OR.join(names))
            found.append(_told(alike, by_pairs(names, pl.col("pairs")), PAIRS))
            open_ = _rest(open_, found)
    found.append(_told(open_, pl.col("candidates").list.join(_OR), UNDECIDED))
    sources = pl.concat(found).sort("row").select("source", "by")
    return file.with_records(file.records.drop("source").hstack(sources))


def guess_from_unmatched(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """`row`, `source` and `by` of undecided records with the id and image of left records of one possible source.

    `a` and `b` are the records that found no counterpart, with their `row`.
    """
    undecided = b.filter(pl.col("by") == UNDECIDED).with_columns(pl.col("source").str.split(_OR))
    left = a.select("id", "image", candidate="source").unique()
    matches = undecided.select("row", "id", "image", "source").join(left, on=["id", "image"])
    matches = matches.filter(pl.col("source").list.contains(pl.col("candidate")))
    single = matches.group_by("row").agg(pl.col("candidate").first(), pl.len()).filter(pl.col("len") == 1)
    return _told(single, pl.col("candidate"), LEFT)


def _known(records: pl.DataFrame) -> _Known:
    told: dict[tuple[str, str], tuple[str, ...]] = {}
    folders: dict[str, frozenset[str]] = {}
    for name, folder, sources in records.group_by("told", "folder").agg(pl.col("source").unique()).rows():
        told[name, folder] = _in_order(sources)
        folders[folder] = folders.get(folder, frozenset()) | set(sources)
    return _Known(told, folders)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """In the order of the published file, others after them."""
    places = {name: place for place, name in enumerate(RECORDS)}
    return tuple(sorted(names, key=lambda name: (places.get(name, len(places)), name)))


def _with_candidates(records: pl.DataFrame, known: _Known) -> pl.DataFrame:
    """The `candidates` for each record's source; `sure` if folder and prompt leave one."""
    kinds = records.select("told", "folder").unique()
    candidates = [_candidates(told, folder, known) for told, folder in kinds.rows()]
    sure = [
        len(names) == 1 and known.folders.get(folder, frozenset()) <= set(names)
        for names, folder in zip(candidates, kinds["folder"], strict=True)
    ]
    schema = pl.List(pl.String)
    kinds = kinds.with_columns(candidates=pl.Series(candidates, dtype=schema), sure=pl.Series(sure, dtype=pl.Boolean))
    return records.join(kinds, on=["told", "folder"], how="left", maintain_order="left")


def _candidates(told: str, folder: str, known: _Known) -> tuple[str, ...]:
    """The sources that folder and prompt leave; all lookalikes, even where the other side has only one of them."""
    names, alike = known.told.get((told, folder), ()), LOOKALIKES.get(told, ())
    if alike and set(names) <= set(alike):
        return alike
    return names or (told,)


def _same_records(open_: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    key = ["id", "image", "first", "ordered"]
    single = other.group_by(key).agg(pl.col("source").first(), pl.col("source").n_unique().alias("n"))
    same = open_.select("row", *key).join(single.filter(pl.col("n") == 1), on=key)
    return _told(same, pl.col("source"), SAME_RECORD)


def _by_image(open_: pl.DataFrame, digests: Digests, other: DigestedMixture) -> pl.DataFrame:
    """By the questions that a source asks about the same image: any of a candidate, or most of another one."""
    asked = pairs_of(digests, open_["row"].to_numpy()).select("row", "question")
    asked = asked.join(open_.select("row", "image", "pairs", "candidates"), on="row")
    images = open_.select("image").unique()
    rows = other.records.with_row_index("row").join(images, on="image", how="semi")
    theirs = pairs_of(other.digests, rows["row"].to_numpy()).select("row", "question")
    theirs = theirs.join(rows.select("row", "image", "source"), on="row").drop("row").unique()
    votes = (
        asked.join(theirs, on=["image", "question"])
        .group_by("row", "source")
        .agg(pl.len().alias("votes"), pl.col("pairs").first(), pl.col("candidates").first())
    )
    is_candidate = pl.col("candidates").list.contains(pl.col("source"))
    likely = _most_voted(votes.filter(is_candidate))
    others = _most_voted(votes.filter(pl.col("votes") * 2 > pl.col("pairs")).join(likely, on="row", how="anti"))
    return _told(pl.concat([likely, others]), pl.col("source"), IMAGE_QUESTIONS)


def _by_text(open_: pl.DataFrame, digests: Digests, other: DigestedMixture) -> pl.DataFrame:
    """By questions that only one of the candidates asks, about whatever image."""
    asked = pairs_of(digests, open_["row"].to_numpy()).select("row", "question")
    asked = asked.join(open_.select("row", "candidates"), on="row")
    names = open_["candidates"].explode().unique()
    rows = other.records.with_row_index("row").filter(pl.col("source").is_in(names.implode()))
    theirs = pairs_of(other.digests, rows["row"].to_numpy()).select("row", "question")
    theirs = theirs.join(rows.select("row", "source"), on="row").select("question", "source").unique()
    found = asked.join(theirs, on="question").filter(pl.col("candidates").list.contains(pl.col("source")))
    single = found.group_by("row", "question").agg(pl.col("source").unique()).filter(pl.col("source").list.len() == 1)
    votes = single.explode("source").group_by("row", "source").agg(pl.len().alias("votes"))
    return _told(_most_voted(votes), pl.col("source"), QUESTIONS)


def _most_voted(votes: pl.DataFrame) -> pl.DataFrame:
    """`row` and `source` where one source has more votes than any other."""
    most = pl.col("votes") == pl.col("votes").max().over("row")
    return votes.filter(most).filter(pl.len().over("row") == 1).select("row", "source")


def _told(records: pl.DataFrame, source: pl.Expr, by: str) -> pl.DataFrame:
    return records.select("row", source.alias("source"), pl.lit(by).alias("by"))


def _rest(open_: pl.DataFrame, found: list[pl.DataFrame]) -> pl.DataFrame:
    return open_.join(found[-1], on="row", how="anti")
