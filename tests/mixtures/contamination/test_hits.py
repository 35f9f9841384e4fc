"""What is found in rows, against a plain count of the same; what is dropped, and what is left then."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.contamination.dropping import reasons
from mix665k.mixtures.contamination.equal_images import LINKS
from mix665k.mixtures.contamination.evaluation import ITEM, EvaluationSet
from mix665k.mixtures.contamination.findings import Kind
from mix665k.mixtures.contamination.overlap import Hits, Wanted, find, wanted
from mix665k.mixtures.contamination.summary import Touched, all_hits, summarise, touched
from mix665k.mixtures.image_keys import Aliases
from mix665k.mixtures.storage.parquet import from_dicts

NO_LINKS = pl.DataFrame(schema=LINKS)
NO_TEXTS = pl.Series([], dtype=pl.String)
ASKED = tuple[str | None, str | None]
RECORD = tuple[str | None, tuple[str, ...]]
IMAGES = st.none() | st.sampled_from(["own/1", "own/2", "own/3"])
WORDS = st.sampled_from(["a", "b", "c"])
QUESTIONS = st.lists(st.tuples(IMAGES, st.none() | WORDS), max_size=5)
RECORDS = st.lists(st.tuples(IMAGES, st.lists(WORDS, max_size=3).map(tuple)), max_size=5)


def evaluation(name: str, questions: Sequence[ASKED], **about: Any) -> EvaluationSet:
    """A set of these images and texts."""
    rows = [(str(i), image, text) for i, (image, text) in enumerate(questions)]
    frame = pl.DataFrame(rows, schema=ITEM, orient="row")
    return EvaluationSet(name=name, path=Path(f"{name}.json"), layout="list", sha256="0" * 64, questions=frame, **about)


def batch(records: Sequence[RECORD], *, first: int = 0, source: str = "mine") -> pa.RecordBatch:
    """Rows about these images, a question and an answer for each text."""
    return from_dicts(
        [
            {
                "id": f"{source}/{first + i}",
                "source": source,
                "image": image and image.removeprefix("own/"),
                "conversations": [
                    turn for text in texts for turn in ({"from": "human", "value": text}, {"from": "gpt", "value": "b"})
                ],
                "origins": list(texts),
                "steps": [],
                "reference_id": str(first + i),
            }
            for i, (image, texts) in enumerate(records)
        ]
    )


def found_in(
    batches: Sequence[pa.RecordBatch], *sets: EvaluationSet, links: pl.DataFrame = NO_LINKS
) -> tuple[Wanted, Hits, list[Touched]]:
    """Everything that these rows share with these sets."""
    aliases = Aliases(None)
    what = wanted(sets, aliases, keys=links["same"], paths=links["path"])
    hits = find(iter(batches), what=what, aliases=aliases, prompts=())
    return what, hits, touched(sets, what=what, hits=hits, links=links)


@settings(deadline=None, max_examples=40)
@given(QUESTIONS, RECORDS)
def test_numbers_are_those_of_a_plain_count(questions: list[ASKED], records: list[RECORD]) -> None:
    what, _, [one] = found_in([batch(records)], evaluation("set", questions))
    numbers = summarise(one, what, ["mine"])
    images = {image for image, _ in questions if image}
    texts = {text for _, of in records for text in of}
    shared = [
        image is not None and any(image == other and text in of for other, of in records) for image, text in questions
    ]
    alone = [text for (_, text), pair in zip(questions, shared, strict=True) if not pair and text in texts]
    assert (numbers.questions, numbers.images) == (sum(text is not None for _, text in questions), len(images))
    total = numbers.total
    assert total.images == len(images & {image for image, _ in records if image})
    assert (total.pairs, total.text, total.content) == (sum(shared), len(alone), 0)
    asked = {(image, text) for image, text in questions if image and text}
    assert total.records == {
        Kind.IMAGES: sum(image in images for image, _ in records),
        Kind.PAIRS: sum(any((image, text) in asked for text in of) for image, of in records),
        Kind.TEXT: sum(bool(set(alone) & set(of)) for _, of in records),
        Kind.CONTENT: 0,
    }


@settings(deadline=None, max_examples=25)
@given(QUESTIONS, RECORDS, st.integers(0, 5), st.booleans())
def test_hits_are_the_same_however_rows_are_batched(
    questions: list[ASKED], records: list[RECORD], cut: int, sliced: bool
) -> None:
    whole, one = batch(records), evaluation("set", questions)
    parts = [batch(records[:cut]), batch(records[cut:], first=len(records[:cut]))]
    parts = [whole.slice(0, cut), whole.slice(cut)] if sliced else parts
    _, expected, _ = found_in([whole], one)
    _, found, _ = found_in(parts, one)
    assert found.num_records == expected.num_records == len(records)
    for frame, other in zip(found[:4], expected[:4], strict=True):
        assert frame.sort(pl.all()).equals(other.sort(pl.all()))


NOT_TEXT = (Kind.IMAGES, Kind.PAIRS, Kind.CONTENT)
"""A text counts only where its question is no shared pair, so dropping the pair can bring the text up."""


@settings(deadline=None, max_examples=20)
@given(QUESTIONS, QUESTIONS, RECORDS, st.sampled_from([(Kind.IMAGES,), (Kind.PAIRS,), NOT_TEXT]))
def test_nothing_is_found_once_it_is_dropped(
    questions: list[ASKED], more: list[ASKED], records: list[RECORD], by: tuple[Kind, ...]
) -> None:
    sets = (evaluation("one", questions), evaluation("two", more))
    _, _, found = found_in([batch(records)], *sets)
    why = reasons(found, by)
    assert why["record"].to_list() == sorted(set(why["record"]))
    lost = set(why["record"])
    left = [record for place, record in enumerate(records) if place not in lost]
    what, _, again = found_in([batch(left)], *sets)
    assert [summarise(one, what, ["mine"]).total.of(kind) for one in again for kind in by] == [0] * 2 * len(by)
    assert reasons(again, by).is_empty()


def test_an_answer_is_no_question() -> None:
    what, _, [one] = found_in([batch([("own/1", ("a",))])], evaluation("set", [("own/1", "b")]))
    assert summarise(one, what, ["mine"]).total.records == {
        Kind.IMAGES: 1,
        Kind.PAIRS: 0,
        Kind.TEXT: 0,
        Kind.CONTENT: 0,
    }


def test_only_sources_that_share_something_are_named_in_the_order_that_is_given() -> None:
    batches = [batch([("own/1", ("z",))], source=name) for name in ("c", "a")]
    batches.append(batch([("own/2", ("z",))], source="b"))
    what, _, [one] = found_in(batches, evaluation("set", [("own/1", "q")]))
    numbers = summarise(one, what, ["a", "b", "c"])
    assert [(shared.source, shared.images) for shared in numbers.sources] == [("a", 1), ("c", 1)]
    assert (numbers.total.source, numbers.total.images, numbers.total.records[Kind.IMAGES]) == ("all", 1, 2)


def test_three_examples_are_shown_of_a_kind_and_ten_records_of_a_text_and_all_are_listed() -> None:
    rows: list[RECORD] = [(f"own/{i}", ("a",)) for i in range(12)]
    asked: list[ASKED] = [*[(f"own/{i}", None) for i in range(5)], ("own/99", "a"), (None, "a")]
    what, _, [one] = found_in([batch(rows)], evaluation("set", asked))
    shown = summarise(one, what, ["mine"]).examples
    assert [hit.evaluation for hit in shown if hit.by == Kind.IMAGES] == ["own/0", "own/1", "own/2"]
    hits = list(all_hits(one, what))
    assert [hit.evaluation for hit in hits if hit.by == Kind.IMAGES] == [f"own/{i}" for i in range(5)]
    [text] = [hit for hit in hits if hit.by == Kind.TEXT]
    assert (text.evaluation, text.question, text.questions, text.num_records) == ("5", "a", 2, 12)
    assert text.records == [f"mine/{i}" for i in range(10)]


def test_a_question_is_about_an_image_of_another_name_and_the_same_content() -> None:
    link = {"set": "set", "file": "x.png", "key": "own/x.png", "path": "1", "same": "own/1"}
    rows: list[RECORD] = [("own/1", ("a",)), ("own/2", ("a",))]
    links = pl.DataFrame([link], schema=LINKS)
    asked: list[ASKED] = [("own/x.png", "a"), ("own/x.png", "z"), ("own/y.png", "a")]
    what, _, [one, other] = found_in([batch(rows)], evaluation("set", asked), evaluation("other", asked), links=links)
    total = summarise(one, what, ["mine"]).total
    assert (total.images, total.pairs, total.text, total.content) == (0, 1, 1, 1)
    assert (total.records[Kind.PAIRS], total.records[Kind.CONTENT]) == (1, 1)
    [hit] = [hit for hit in all_hits(one, what) if hit.by == Kind.CONTENT]
    assert (hit.evaluation, hit.records, hit.image, hit.question) == ("x.png", ["mine/0"], None, None)
    apart = summarise(other, what, ["mine"]).total
    assert (apart.pairs, apart.text, apart.content) == (0, 2, 0)


def test_no_rows_and_no_sets_are_no_hits() -> None:
    _, hits, found = found_in([], evaluation("set", [("own/1", "a")]))
    assert (hits.num_records, [len(frame) for frame in hits[:4]]) == (0, [0, 0, 0, 0])
    assert all(one.records(kind).is_empty() for one in found for kind in Kind)
    what, hits, found = found_in([batch([("own/1", ("a",))])])
    assert (what.questions.height, hits.num_records, hits.images.height, found) == (0, 1, 0, [])
