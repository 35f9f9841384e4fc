"""From hits to numbers: what each evaluation set shares with each source."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import polars as pl

from mix665k.mixtures.contamination.evaluation import EvaluationSet
from mix665k.mixtures.contamination.findings import Hit, Kind, SetOverlap, Shared
from mix665k.mixtures.contamination.overlap import Hits, Wanted

_EXAMPLES = 3
_TEXT_RECORDS = 10
_ALL = "all"


class Touched(NamedTuple):
    """The hits of one set.

    questions   `row`, `id`, `image`, `text`, and `shared`: whether it is in the mixture about its image
    kinds       for each kind what of the set (`unit`) is in which `record`, of which `source` and `id`
    """

    set: EvaluationSet
    questions: pl.DataFrame
    kinds: dict[Kind, pl.DataFrame]

    def records(self, kind: Kind) -> pl.Series:
        """The places of the records that hold something of this kind."""
        return self.kinds[kind]["record"].unique().sort()


def touched(sets: Sequence[EvaluationSet], *, what: Wanted, hits: Hits, links: pl.DataFrame) -> list[Touched]:
    """The hits of each set.

    `links` has the images that are equal by content: `set` (a name), `file`, `key` (of the set's image), `path` and
    `same` (of the mixture's image).
    """
    return [
        _touched(place, one=one, what=what, hits=hits, links=links.filter(pl.col("set") == one.name))
        for place, one in enumerate(sets)
    ]


def _touched(place: int, *, one: EvaluationSet, what: Wanted, hits: Hits, links: pl.DataFrame) -> Touched:
    """Units are the numbers of `Wanted`; of questions their row."""
    asked = what.questions.filter(pl.col("set") == place).with_row_index("row")
    images = asked.select("image").drop_nulls().unique().join(hits.images, on="image")
    numbers = what.images.rename({"image": "number"})
    same = links.join(numbers, on="key").rename({"number": "image"})
    same = same.join(numbers, left_on="same", right_on="key").select("image", other="number").unique()
    by_content = asked.join(same, on="image").select("row", "text", image="other")
    asked_of = pl.concat([asked.select("row", "text", "image"), by_content]).unique()
    pairs = asked_of.join(hits.texts, on=["text", "image"])
    asked = asked.with_columns(shared=pl.col("row").is_in(pairs["row"].unique().implode()))
    texts = hits.texts.join(asked.filter(~pl.col("shared")).select("text").unique(), on="text")
    content = links.select("file", "path").unique().join(what.paths, on="path").join(hits.contents, on="content")
    frames = {
        Kind.IMAGES: (images, "image"),
        Kind.PAIRS: (pairs, "row"),
        Kind.TEXT: (texts, "text"),
        Kind.CONTENT: (content, "file"),
    }
    kinds = {
        kind: frame.select("record", unit=unit).unique().join(hits.records, on="record").sort("unit", "record")
        for kind, (frame, unit) in frames.items()
    }
    return Touched(one, asked, {kind: kinds[kind] for kind in Kind})


def summarise(found: Touched, what: Wanted, sources: Sequence[str]) -> SetOverlap:
    """The numbers of one set, and some examples; of sources those that share anything."""
    one = found.set
    shared = [_shared(found, source) for source in sources]
    return SetOverlap(
        name=one.name,
        file=str(one.path),
        layout=one.layout,
        sha256=one.sha256,
        questions=one.questions["text"].count(),
        images=one.questions["image"].drop_nulls().n_unique(),
        left_out=one.left_out,
        files=one.files,
        total=_shared(found, None),
        sources=[numbers for numbers in shared if any(numbers.records.values())],
        examples=[hit for kind in Kind for hit in islice(_of_kind(found, what, kind), _EXAMPLES)],
    )


def _shared(found: Touched, source: str | None) -> Shared:
    """The numbers of one source, or of all."""
    kinds = {
        kind: frame if source is None else frame.filter(pl.col("source") == source)
        for kind, frame in found.kinds.items()
    }
    as_text = found.questions.join(kinds[Kind.TEXT].select(text="unit"), on="text", how="semi")
    return Shared(
        source=source or _ALL,
        images=kinds[Kind.IMAGES]["unit"].n_unique(),
        pairs=kinds[Kind.PAIRS]["unit"].n_unique(),
        text=int((~as_text["shared"]).sum()),
        content=kinds[Kind.CONTENT]["unit"].n_unique(),
        records={kind: frame["record"].n_unique() for kind, frame in kinds.items()},
    )


def all_hits(found: Touched, what: Wanted) -> Iterator[Hit]:
    """Everything of one set that is in the mixture."""
    for kind in Kind:
        yield from _of_kind(found, what, kind)


def _of_kind(found: Touched, what: Wanted, kind: Kind) -> Iterator[Hit]:
    named = found.kinds[kind].group_by("unit", maintain_order=True).agg(pl.col("id"), num=pl.len())
    for row in _described(found, what=what, kind=kind, named=named).iter_rows(named=True):
        records = row.pop("records")
        shown = records[:_TEXT_RECORDS] if kind == Kind.TEXT else records
        yield Hit(set=found.set.name, by=kind, num_records=row.pop("num"), records=shown, **row)


def _described(found: Touched, *, what: Wanted, kind: Kind, named: pl.DataFrame) -> pl.DataFrame:
    """Units with the names that a reader knows them by."""
    rows = named.rename({"id": "records"})
    if kind == Kind.CONTENT:
        return rows.rename({"unit": "evaluation"})
    if kind == Kind.IMAGES:
        rows = rows.join(what.images, left_on="unit", right_on="image", maintain_order="left")
        return rows.select("num", "records", evaluation="key", image="key")
    questions = found.questions
    if kind == Kind.TEXT:
        questions = questions.filter(~pl.col("shared")).rename({"text": "unit"})
        questions = questions.group_by("unit").agg(pl.col("id").first(), questions=pl.len())
        rows = rows.join(questions, on="unit", maintain_order="left")
        rows = rows.join(what.texts, left_on="unit", right_on="text", maintain_order="left")
        return rows.select("num", "records", "questions", evaluation="id", question="words")
    rows = rows.join(questions, left_on="unit", right_on="row", maintain_order="left")
    rows = rows.join(what.images, on="image", maintain_order="left").join(what.texts, on="text", maintain_order="left")
    return rows.select("num", "records", evaluation="id", image="key", question="words")
