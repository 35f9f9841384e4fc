"""From hits to numbers, on literal frames: what counts once, for whom, and for which reason a record is dropped."""

from pathlib import Path

import polars as pl

from mix665k.mixtures.contamination.dropping import reasons
from mix665k.mixtures.contamination.equal_images import LINKS
from mix665k.mixtures.contamination.evaluation import ITEM, EvaluationSet
from mix665k.mixtures.contamination.findings import Kind
from mix665k.mixtures.contamination.overlap import Hits, Wanted, wanted
from mix665k.mixtures.contamination.summary import Touched, all_hits, summarise, touched
from mix665k.mixtures.image_keys import Aliases

NO_ALIASES = Aliases(None)


def evaluation(name: str, *questions: tuple[str, str | None, str | None]) -> EvaluationSet:
    """A set of (id, image key, text)."""
    frame = pl.DataFrame(questions, schema=ITEM, orient="row")
    return EvaluationSet(name=name, path=Path(f"{name}.json"), layout="list", sha256="ab", questions=frame)


POPE = evaluation("pope", ("1", "coco/1", "is it dry"), ("2", "coco/2", "is it dry"), ("3", None, "who"))
GQA = evaluation("gqa", ("9", "coco/1", "is it wet"))


def look_for(*sets: EvaluationSet, records: list[tuple[str, str | None, str]]) -> tuple[Wanted, list[Touched]]:
    """What these records hold of the sets: (source, image key, text) of each."""
    nothing = pl.Series([], dtype=pl.String)
    what = wanted(sets, NO_ALIASES, keys=nothing, paths=nothing)
    rows = pl.DataFrame(records, schema={"source": pl.String, "key": pl.String, "words": pl.String}, orient="row")
    rows = rows.with_row_index("record").join(what.images, on="key", how="left")
    rows = rows.join(what.texts, on="words", how="left")
    hit = rows.filter(pl.col("image").is_not_null() | pl.col("text").is_not_null())
    hits = Hits(
        records=hit.select("record", "source", id=pl.format("{}/{}", "source", "record")),
        images=rows.drop_nulls("image").select("record", "image"),
        texts=rows.drop_nulls("text").select("record", "image", "text", pair="record"),
        contents=pl.DataFrame(schema={"record": pl.UInt32, "content": pl.UInt32}),
        num_records=rows.height,
    )
    return what, touched(sets, what=what, hits=hits, links=pl.DataFrame(schema=LINKS))


RECORDS: list[tuple[str, str | None, str]] = [
    ("vqa", "coco/1", "is it dry"),
    ("vqa", "coco/1", "is it wet"),
    ("talk", None, "who"),
    ("vqa", "coco/5", "is it dry"),
    ("mine", "coco/5", "what"),
]


def test_images_and_texts_are_numbered_once_for_all_sets() -> None:
    what, _ = look_for(POPE, GQA, records=[])
    assert sorted(what.images["key"]) == ["coco/1", "coco/2"]
    assert sorted(what.texts["words"]) == ["is it dry", "is it wet", "who"]
    assert what.questions["set"].to_list() == [0, 0, 0, 1]


def test_a_question_about_its_image_is_a_pair_and_elsewhere_a_text() -> None:
    what, [found, _] = look_for(POPE, GQA, records=RECORDS)
    total = summarise(found, what, ["vqa", "talk", "mine"]).total
    assert (total.images, total.pairs, total.text, total.content) == (1, 1, 2, 0)
    assert total.records[Kind.IMAGES] == 2
    assert total.records[Kind.PAIRS] == 1


def test_sources_that_share_nothing_are_left_out() -> None:
    what, [found, _] = look_for(POPE, GQA, records=RECORDS)
    one = summarise(found, what, ["mine", "vqa", "talk"])
    assert [shared.source for shared in one.sources] == ["vqa", "talk"]
    assert [(shared.pairs, shared.text) for shared in one.sources] == [(1, 1), (0, 1)]


def test_each_set_is_counted_by_itself() -> None:
    what, [_, found] = look_for(POPE, GQA, records=RECORDS)
    total = summarise(found, what, ["vqa"]).total
    assert (total.images, total.pairs, total.text) == (1, 1, 0)


def test_a_hit_names_the_record_and_what_it_shares() -> None:
    what, [found, _] = look_for(POPE, GQA, records=RECORDS)
    [pair] = [hit for hit in all_hits(found, what) if hit.by == Kind.PAIRS]
    assert (pair.evaluation, pair.image, pair.question, pair.records) == ("1", "coco/1", "is it dry", ["vqa/0"])


def test_a_record_is_dropped_once_for_the_first_set_that_it_overlaps_with() -> None:
    _, found = look_for(POPE, GQA, records=RECORDS)
    why = reasons(found, [Kind.PAIRS])
    assert why.rows() == [(0, "in pope by pair"), (1, "in gqa by pair")]
    both = reasons(found, [Kind.IMAGES, Kind.PAIRS])
    assert both.rows() == [(0, "in pope by image"), (1, "in pope by image")]
