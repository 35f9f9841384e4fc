"""Keeping the highest scores of a file, joined by content or id."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.steps.top import record_hash
from mix665k.mixtures.select.content import record_hashes
from mix665k.mixtures.storage.parquet import name, to_rows
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RawDataError, RecipeError
from tests.builders.building import build, run_step, talk

CSV = "id,score,other\nb,2,x\na,10,x\nd,nan,x\ne,,x\nc,2,x\nz,99,x\n"


def kept(path: Path, talks: list[Conversation], **asked: Any) -> list[str]:
    return [one.id for one in run_step("keep_top", talks, scores=str(path), **asked).conversations]


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    (tmp_path / "scores").write_text(CSV)
    return tmp_path / "scores"


def test_the_highest_scores_are_kept_in_order_and_the_rest_counted(scores: Path) -> None:
    talks = [talk(name, ("q", "a")) for name in "eabcd"]
    assert kept(scores, talks, count=1) == ["a"]
    assert kept(scores, talks, fraction=1.0) == ["a", "b", "c"]
    assert kept(scores, talks, min_score=2.0) == ["a", "b", "c"]
    assert kept(scores, talks, count=2) == kept(scores, talks[::-1], count=2)[::-1]  # b and c are equal
    step = run_step("keep_top", talks, scores=str(scores), count=2).funnel[0]
    assert step.conversations.changes == {"no score": -2, "score too low": -1}


def test_content_joins_what_has_one_id(tmp_path: Path) -> None:
    talks = [talk("a", ("q", f"é{i}"), image="own/1.jpg", several=True) for i in range(3)]
    hashes = record_hashes(to_rows("own", [name(f"own/a#{i}", one) for i, one in enumerate(talks)]))
    assert [record_hash(one) for one in talks] == hashes
    lines = [json.dumps({"hash": hash_, "clip": i}) for i, hash_ in enumerate(hashes)]
    (tmp_path / "scores").write_text("\n".join(lines))
    result = run_step("keep_top", talks, scores=str(tmp_path / "scores"), score="clip", count=1)
    assert result.conversations == talks[2:]
    (tmp_path / "scores").write_text("id,score\na,1\n")
    with pytest.raises(RawDataError, match="id 'a' is of several conversations; score them by `hash`"):
        kept(tmp_path / "scores", talks, count=1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no column `hash` or `id`"),
        ("name,score\na,1", "no column `hash` or `id`"),
        ("id,scores\na,1", "no column 'score'; did you mean 'scores'"),
        ("id,score\na,high", "record 1: score 'high', expected a number"),
        ("id,score\na,1\na,2", "record 2: another score of id 'a'"),
        ('{"id": 1, "score": 2', "truncated"),
        ('{"id": 1, "score": 2}\n{"score": 2}', "record 2: no 'id'"),
    ],
)
def test_scores_that_cannot_be_used_are_one_line(content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "scores").write_text(content)
    with pytest.raises(RawDataError, match=why):
        kept(tmp_path / "scores", [talk("a", ("q", "a"))], count=1)


def test_a_recipe_says_one_way_and_names_a_file_that_is_there(scores: Path) -> None:
    for asked in ({}, {"count": 1, "fraction": 0.5}):
        with pytest.raises(RecipeError, match="okvqa: keep_top: give one of count, fraction and min_score"):
            build("okvqa", steps=[{"keep_top": {"scores": str(scores), **asked}}])
    with pytest.raises(RecipeError, match=r"keep_top: scores: .*gone.csv: no such file"):
        build("okvqa", steps=[{"keep_top": {"scores": "gone.csv", "count": 1}}])
