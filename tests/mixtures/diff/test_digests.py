"""Records as numbers: equal records have equal digests, and each part of a record has a digest of its own."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix665k.mixtures.diff.digests import Digests, digest, join, mixed, with_pair_sums
from mix665k.mixtures.storage.parquet import from_dicts
from tests.mixtures.small import SHORT

PROMPTS = (SHORT,)
BASE = {
    "id": "gqa/1#0",
    "source": "gqa",
    "image": "gqa/images/1.jpg",
    "origins": ["1#0", "1#1"],
    "steps": ["prompt added", "copy 1"],
    "reference_id": "1",
    "texts": (f"<image>\nWho?\n{SHORT}", "A man", "Where?", "Left"),
}


def row(**changes: Any) -> dict[str, Any]:
    """A record of a mixture with other fields or texts."""
    fields = BASE | changes
    texts = fields.pop("texts")
    turns = [{"from": "gpt" if i % 2 else "human", "value": text} for i, text in enumerate(texts)]
    return fields | {"conversations": turns}


def digested(*rows: dict[str, Any], provenance: bool = True, integer: bool = False) -> Digests:
    """The digests of some records."""
    return with_pair_sums(digest(from_dicts(list(rows)), [integer] * len(rows), PROMPTS, provenance=provenance))


def differing(**changes: Any) -> set[str]:
    """The columns in which a changed record differs from the one it was."""
    records = digested(row(), row(**changes)).records
    return {name for name in records.columns if records[name][0] != records[name][1]}


def test_equal_records_have_equal_digests() -> None:
    assert differing() == set()


@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        ({"id": "gqa/1#1"}, {"key"}),
        ({"reference_id": "2"}, {"id"}),
        ({"image": "gqa/images/2.jpg"}, {"image"}),
        ({"image": "mine/2.jpg"}, {"image", "folder", "told"}),
        ({"origins": ["1#1", "1#0"]}, {"origins"}),
        ({"origins": ["1#01#1"]}, {"origins"}),
        ({"steps": []}, {"steps"}),
        ({"texts": (f"<image>\nWho?\n{SHORT}", "A man", "Where?", "Up")}, {"ordered", "unordered"}),
        ({"texts": (f"<image>\nWho?\n{SHORT}", "A man", "When?", "Left")}, {"ordered", "unordered"}),
        ({"texts": (f"<image>\nWho?\n{SHORT}", "Left", "Where?", "A man")}, {"ordered", "unordered"}),
        ({"texts": (f"Who?\n{SHORT}\n<image>", "A man", "Where?", "Left")}, {"first", "token"}),
        ({"texts": (f"<image>\nWhere?\n{SHORT}", "Left", "Who?", "A man")}, {"first", "ordered"}),
        ({"texts": (f"<image>\nWho?\n{SHORT}", "A man", f"Where?\n{SHORT}", "Left")}, {"prompts"}),
        ({"texts": ("<image>\nWho?", "A man", f"Where?\n{SHORT}", "Left")}, {"first", "prompts", "form"}),
    ],
)
def test_a_change_is_in_the_digests_of_its_part_alone(changes: dict[str, Any], columns: set[str]) -> None:
    assert differing(**changes) - {"words"} == columns


def test_a_file_has_no_provenance_to_compare() -> None:
    records = digested(row(), row(origins=["x"], steps=["y"]), provenance=False).records
    assert records["origins"].to_list() == records["steps"].to_list() == [0, 0]


def test_the_image_token_is_no_word() -> None:
    with_image, text_only = row(texts=("<image>\nWho is it?", "A man")), row(image=None, texts=("Who is it?", "A man"))
    assert digested(with_image, text_only).records["words"].to_list() == [5, 5]


def test_a_record_without_image_has_no_image_and_no_folder() -> None:
    records = digested(row(image=None, texts=("Who?", "A man"))).records
    assert records.select("image", "folder", "told").row(0) == (0, "", "sharegpt")


@pytest.mark.parametrize(
    ("question", "open_end"),
    [("<image>\nWho?", False), (f"<image>\nWho?\n{SHORT}", False), ("<image>\nWho?\nIn short.", True)],
)
def test_only_a_first_question_of_several_lines_without_known_prompt_has_a_stem(
    question: str, *, open_end: bool
) -> None:
    records = digested(row(texts=(question, "A man"))).records
    assert (records["stem"][0] != 0, records["last"][0] != 0) == (open_end, open_end)


def test_the_stem_is_the_digest_of_the_question_without_its_last_line() -> None:
    found = digested(row(texts=("<image>\nWho?\nThe man?\nIn short.", "A man")), row(texts=("Who?\nThe man?", "A man")))
    assert found.records["stem"][0] == found.questions[1]


def test_batches_that_are_joined_have_the_digests_of_one_batch() -> None:
    rows = [row(), row(reference_id="2", texts=("<image>\na", "b")), row(reference_id="3")]
    whole, parts = digested(*rows), join([digested(rows[0]), digested(), digested(*rows[1:])])
    assert parts.records.equals(whole.records)
    assert parts.questions.tolist() == whole.questions.tolist()
    assert parts.answers.tolist() == whole.answers.tolist()
    assert parts.starts.tolist() == [0, 2, 3]


TEXT = st.text("ab\n", min_size=1, max_size=3)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)


@settings(max_examples=20, deadline=None)
@given(a=PAIRS, b=PAIRS)
def test_sums_of_pairs_are_equal_exactly_where_the_pairs_are(
    a: list[tuple[str, str]], b: list[tuple[str, str]]
) -> None:
    rows = [row(texts=tuple(text for pair in pairs for text in pair)) for pairs in (a, b, sorted(a))]
    records = digested(*rows).records
    ordered, unordered = records["ordered"].to_list(), records["unordered"].to_list()
    assert (ordered[0] == ordered[1]) == (a == b)
    assert (unordered[0] == unordered[1]) == (sorted(a) == sorted(b))
    assert unordered[0] == unordered[2]


def test_mixing_keeps_different_values_apart_and_nothing_nothing() -> None:
    values = np.arange(2000, dtype=np.uint64)
    assert len(set(mixed(values).tolist())) == 2000
    assert mixed(values[:1]).tolist() == [0]
