"""A benchmark of one's own is a YAML."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.data_files import data_of
from mix665k.trainer.evaluation.own import read_own
from mix665k.trainer.evaluation.registry import Request
from mix665k.trainer.evaluation.score import score_answers
from tests.trainer.evaluation.cases import figures, lines, write


def score_of(folder: Path, scorer: str, right: Any, text: str, **others: Any) -> float:
    record = {"id": 1, "question": "?", "answer": right, **others}
    files = {"mine.yaml": f"file: q.jsonl\nscorer: {scorer}\nprompt: short_answer\n", "q.jsonl": lines([record])}
    write(folder, files | {"a.jsonl": lines([{"question_id": "1", "text": text}])})
    found = score_answers(read_own(folder / "mine.yaml"), data=folder, answers=[folder / "a.jsonl"], request=Request())
    return figures(found)["accuracy"]


@pytest.mark.parametrize(
    ("scorer", "right", "text", "score"),
    [
        ("exact", "Cat", "cat.", 100),
        ("exact", ["cat", "dog"], "dog", 100),
        ("exact", "cat", "a cat", 0),
        ("soft", ["cat"] * 2 + ["dog"] * 8, "The cat", 60),
        ("yes_no", "no", "No, there is none", 100),
        ("yes_no", "no", "", 0),
        ("relaxed", "100", "95", 100),
        ("relaxed", "100", "94.9", 0),
        ("relaxed", "0", "0.01", 0),
        ("relaxed", "red", "Red", 100),
    ],
)
def test_a_scorer(scorer: str, right: Any, text: str, score: float, tmp_path: Path) -> None:
    assert score_of(tmp_path, scorer, right, text) == pytest.approx(score)


def test_letters_and_the_prompt_by_name(tmp_path: Path) -> None:
    assert score_of(tmp_path, "letter", "B", "I say (B)", options=["x", "y"]) == 100
    own = read_own(tmp_path / "mine.yaml")
    asked = own.questions(data_of(tmp_path, own.files), Request())
    assert asked[0].text == "?\nA. x\nB. y\nAnswer the question using a single word or phrase."


def test_what_is_wrong_in_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="line 1: answer 'C', expected the letter of one of 2 options"):
        score_of(tmp_path, "letter", "C", "C", options=["x", "y"])
    with pytest.raises(EvaluationError, match="line 1: answer 'maybe', expected yes or no"):
        score_of(tmp_path, "yes_no", "maybe", "yes")
    with pytest.raises(EvaluationError, match="1 answers of people, expected 10"):
        score_of(tmp_path, "soft", ["x"], "x")
    write(tmp_path, {"bad.yaml": "file: q.jsonl\nscorer: bleu\n"})
    shown = CliRunner().invoke(train, ["score", f"{tmp_path}/bad.yaml", "--data", str(tmp_path), "--answers", "x"])
    assert shown.exit_code == 1
    assert "bad.yaml, line 2" in shown.output
    assert "bleu" in shown.output
