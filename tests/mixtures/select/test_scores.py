"""Selecting by scores: the highest, the same ones whatever the order of the file."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.mixtures.select.selecting import ids, select

SCORES = {"gqa/2327515#0": 0.5, "gqa/0012#0": 0.9, "gqa/n166008#0": 0.5, "sharegpt/wgByO4Y_0#0": 0.1, "mine/7#0": 0.2}


@pytest.fixture
def table() -> pl.DataFrame:
    """The small mixture's records, none in its place."""
    return pl.DataFrame({"id": list(SCORES), "score": list(SCORES.values())}).reverse()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"top": 2}, ["gqa/2327515#0", "gqa/0012#0"]),  # of two equal ones that which comes first in the mixture
        ({"top": "40%"}, ["gqa/2327515#0", "gqa/0012#0"]),
        ({"top": "59%"}, ["gqa/2327515#0", "gqa/0012#0"]),
        ({"top": 9}, list(SCORES)),
        ({"top": 1, "per_source": True}, ["gqa/0012#0", "sharegpt/wgByO4Y_0#0", "mine/7#0"]),
        ({"top": "34%", "per_source": True}, ["gqa/0012#0"]),
        ({"min": 0.5}, ["gqa/2327515#0", "gqa/0012#0", "gqa/n166008#0"]),
        ({"min": 0.2, "top": 1, "per_source": True}, ["gqa/0012#0", "mine/7#0"]),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "jsonl", "json"])
def test_the_highest_scores_are_kept(
    small: Path, table: pl.DataFrame, tmp_path: Path, options: dict[str, Any], expected: list[str], ending: str
) -> None:
    path = tmp_path / f"scores.{ending}"
    if ending == "parquet":
        table.write_parquet(path)
    elif ending == "jsonl":
        table.write_ndjson(path)
    elif ending == "json":
        table.write_json(path)
    else:
        table.write_csv(path, separator="," if ending == "csv" else "\t")
    found = select(small, path, tmp_path / "out", **options)
    assert ids(tmp_path / "out") == expected
    assert (found.total.exact, found.total.selected) == (5, len(expected))


def test_a_record_without_a_score_is_named_but_not_among_the_highest(small: Path, tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["0012", "n166008", "7"], "influence": [1.0, float("nan"), None]})
    frame.write_parquet(tmp_path / "scores.parquet")
    found = select(small, tmp_path / "scores.parquet", tmp_path / "out", score="influence", top=3)
    assert (ids(tmp_path / "out"), found.total.exact) == (["gqa/0012#0"], 3)
    assert found.method == "by the mixture's ids, then by LLaVA's; top 3"


def test_scores_by_position_and_ids_with_leading_zeros_are_read_from_text(small: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("id,score\n0012,1\n")
    select(small, tmp_path / "ids.csv", tmp_path / "ids")
    (tmp_path / "positions.csv").write_text("unique_idx,score\n0,.5\n1,.75\n4,.25\n")
    select(small, tmp_path / "positions.csv", tmp_path / "positions", top=1)
    assert ids(tmp_path / "ids") == ids(tmp_path / "positions") == ["gqa/0012#0"]
