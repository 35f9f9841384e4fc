"""Raw pairs that cannot be trained on, and raw records that nothing asks for, are counted."""

from pathlib import Path

import pytest

from tests.builders.building import build, write_raw
from tests.builders.sources.test_source_errors import fixture_of


@pytest.mark.parametrize("source", ["vqav2", "okvqa"])
def test_an_annotation_without_a_question_is_noted(tmp_path: Path, source: str) -> None:
    contents = fixture_of(source, tmp_path)
    gone = contents["questions"]["questions"].pop()
    step = build(source, raw=write_raw(tmp_path, source, **contents)).funnel[0]
    assert step.noted["annotation without a question"] == 1
    assert step.examples["annotation without a question"] == [str(gone["question_id"])]


def test_an_empty_vqav2_answer_is_dropped(tmp_path: Path) -> None:
    contents = fixture_of("vqav2", tmp_path)
    contents["annotations"]["annotations"][0]["multiple_choice_answer"] = " "
    step = build("vqav2", raw=write_raw(tmp_path, "vqav2", **contents)).funnel[0]
    assert step.conversations.changes["empty answer"] == -1


def test_an_empty_gqa_answer_is_dropped(tmp_path: Path) -> None:
    contents = fixture_of("gqa", tmp_path)
    next(iter(contents["questions"].values()))["answer"] = ""
    step = build("gqa", raw=write_raw(tmp_path, "gqa", **contents)).funnel[0]
    assert step.conversations.changes["empty answer"] == -1


def test_an_empty_ocrvqa_answer_takes_its_pair_and_the_last_one_its_book(tmp_path: Path) -> None:
    contents = fixture_of("ocrvqa", tmp_path)
    first, second = [book for book in contents["books"].values() if book["split"] == 1][:2]
    first["answers"][0] = ""
    second["answers"] = [""] * len(second["answers"])
    step = build("ocrvqa", raw=write_raw(tmp_path, "ocrvqa", **contents)).funnel[0]
    assert step.conversations.changes["empty answer"] == -1
    assert step.pairs.changes["empty answer"] == -1 - len(second["answers"])
