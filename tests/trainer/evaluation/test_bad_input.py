"""What cannot be scored is one line, and never half a score."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mix665k.cli import train
from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.registry import all_benchmarks
from mix665k.trainer.evaluation.score import incomparable
from tests.trainer.evaluation.cases import (
    figures,
    lines,
    mmbench,
    pope,
    problem,
    scienceqa,
    scored,
    textvqa,
    vqav2,
    write,
)

A, B = {"question_id": "0", "text": "A"}, {"question_id": "1", "text": "B"}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([A], r"1 of 2 questions have no answer: id '1'; --allow-missing"),
        ([A, B, {"question_id": "9", "text": "B"}], r"line 3: 1 of 3 answers are to no question of scienceqa"),
        ([A, B, {"question_id": 1, "text": "A"}], r"line 3: id '1' has two answers, 'B' and 'A'"),
        ([A, {"question_id": "1", "text": 2}], "line 2: text is 2, expected a string"),
        ([A, {"question_id": "1", "text": None}], "line 2: text is None, expected a string"),
        ([A, {"question_id": "1"}], "line 2: no answer, expected a field text"),
        ([A, {"text": "B"}], "1 of 2 answers are to no question"),
        ("", "empty file"),
        ("[]", "holds no answers"),
        (json.dumps(A) + '\n{"question_id": "1", "te', "line 2: input data was truncated"),
        (json.dumps(A) + "\nB\n", "line 2: JSON is malformed"),
    ],
)
def test_answers_that_do_not_fit_are_named(answers: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=message):
        scored("scienceqa", scienceqa(tmp_path, problem(0), problem(1)), answers)


def test_a_missing_answer_can_be_counted_as_wrong_and_an_equal_second_one_changes_nothing(tmp_path: Path) -> None:
    found = scored("scienceqa", scienceqa(tmp_path, problem(0), problem(1)), [A, A], allow_missing=True)
    assert found.counts == {"asked": 2, "answered": 1, "missing": 1}
    assert figures(found)["accuracy"] == 50.0


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    scienceqa(tmp_path, problem(0))
    (tmp_path / "a.jsonl").write_bytes(b'{"question_id": "0", "text": "\xff"}\n')
    shown = CliRunner().invoke(
        train, ["score", "scienceqa", "--data", str(tmp_path), "--answers", str(tmp_path / "a.jsonl")]
    )
    assert shown.exit_code == 1
    assert re.fullmatch(r"error: .*a\.jsonl: line 1: .*(UTF-8|utf-8).*\n", shown.output), shown.output


def test_a_missing_file_is_named_with_its_address_and_place(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"scienceqa/problems\.json: no such file; get it from https://"):
        scored("scienceqa", tmp_path, [A])


def test_another_benchmarks_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"problems.json": {"data": []}, "pid_splits.json": {"test": []}})
    with pytest.raises(EvaluationError, match=r"problems\.json: .*expected object"):
        scored("scienceqa", tmp_path, [A])
    scienceqa(tmp_path)
    with pytest.raises(EvaluationError, match="no questions in"):
        scored("scienceqa", tmp_path, [A])


def test_an_answer_beyond_the_choices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"problem '0': answer 2, expected one of 2, from 0"):
        scored("scienceqa", scienceqa(tmp_path, problem(2)), [A])


def test_nine_answers_of_people_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="question 0: 9 answers of people, expected 10"):
        scored("vqav2", vqav2(tmp_path, ["yes"] * 9), [A])
    with pytest.raises(EvaluationError, match="question 0: 11 answers of people, expected 10"):
        scored("textvqa", textvqa(tmp_path, {"question": "?", "answers": ["x"] * 11}), [A])


def test_a_table_with_other_columns_or_without_answers_is_refused(tmp_path: Path) -> None:
    mmbench(tmp_path, (1, "Q?"), columns="index ask")
    with pytest.raises(EvaluationError, match=r"no column 'question', 'A', 'B', has index, ask"):
        scored("mmbench", tmp_path, [A])
    mmbench(tmp_path, (1, "Q?", "", "x", "y", "", "", "E"))
    with pytest.raises(EvaluationError, match="index 1: answer 'E', expected one of A, B"):
        scored("mmbench", tmp_path, [A])
    mmbench(tmp_path, (1, "Q?", "", "x", "y", "", "", ""), (2, "Q?", "", "x", "y", "", "", "A"))
    with pytest.raises(EvaluationError, match="index 1: no answer in the table"):
        scored("mmbench", tmp_path, [{"index": 1, "prediction": "A"}, {"index": 2, "prediction": "A"}])


def test_reviews_that_are_answers_or_hold_no_scores_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"questions.jsonl": lines([{"question_id": 0, "text": "?", "image": "i"}])})
    with pytest.raises(EvaluationError, match="scored by a judge: give its reviews"):
        scored("llava_bench", tmp_path, [{"question_id": 0, "text": "A cat."}])
    with pytest.raises(EvaluationError, match="1 of 1 reviews hold no scores"):
        scored("llava_bench", tmp_path, [{"question_id": 0, "category": "c", "tuple": [-1, -1]}])


def test_no_answer_is_ever_yes_crashes_nothing(tmp_path: Path) -> None:
    pope(tmp_path, random=[("Is there a cat?", "yes")])
    found = figures(scored("pope", tmp_path, [{"question_id": 10_000_001, "text": "No"}], split="random"))
    assert (found["F1 random"], found["precision random"]) == (0.0, 0.0)


def test_a_question_of_pope_without_an_answer_is_wrong_whatever_its_label(tmp_path: Path) -> None:
    pope(tmp_path, random=[("Is there a cat?", "yes"), ("Is there a dog?", "no"), ("Is there a cow?", "no")])
    answers = [{"question_id": 10_000_003, "text": "No"}]
    found = figures(scored("pope", tmp_path, answers, split="random", allow_missing=True))
    assert found["accuracy random"] == pytest.approx(100 / 3)


def test_lmms_evals_samples_are_joined_by_position_and_checked_by_their_input(tmp_path: Path) -> None:
    scienceqa(tmp_path, problem(0, question="First?"), problem(1, question="Second?"))
    samples = [
        {"doc_id": 1, "input": "Second?\nA. this\nB. that", "resps": [["B"]], "target": "B"},
        {"doc_id": 0, "input": "First?\nA. this\nB. that", "filtered_resps": ["A"], "target": "A"},
    ]
    assert figures(scored("scienceqa", tmp_path, samples))["accuracy"] == 100.0
    samples[0]["doc_id"], samples[1]["doc_id"] = 0, 1
    with pytest.raises(EvaluationError, match=r"answers 'Second\?', but id '0' asks 'First\?'"):
        scored("scienceqa", tmp_path, samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "scienceq", "--data", ".", "--answers", "x"], "no benchmark 'scienceq'; did you mean 'scienceqa'?"),
        (
            ["score", "pope", "--data", ".", "--answers", "x", "--split", "radom"],
            "no split 'radom'; did you mean 'random'?",
        ),
        (["score", "pope", "--data", ".", "--answers", "x", "--rule", "lmms"], "no rule 'lmms'"),
        (["score", "pope", "--data", "nowhere", "--answers", "x"], "nowhere: no such folder"),
        (["benchmarks", "vqa"], "no benchmark 'vqa'; did you mean"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_1(arguments: list[str], message: str) -> None:
    shown = CliRunner().invoke(train, arguments)
    assert shown.exit_code == 1
    assert message in shown.output
    assert shown.output.count("\n") == 1


def test_score_writes_its_document_and_the_servers_file(tmp_path: Path) -> None:
    scienceqa(tmp_path, problem(0, image="image.png"))
    write(tmp_path, {"a.json": {"0": "A"}})
    out = tmp_path / "out"
    arguments = ["score", "scienceqa", "--data", tmp_path, "--answers", tmp_path / "a.json", "--out", out]
    shown = CliRunner().invoke(train, [*map(str, arguments)])
    assert "Total: 1, Correct: 1, Accuracy: 100.00%, IMG-Accuracy: 100.00%" in shown.output
    assert json.loads((out / "scienceqa_result.json").read_text())["results"] == {"0": 0}
    result = json.loads((out / "results.json").read_text())
    assert result["figures"]["IMG-accuracy"] == 100.0
    assert result["published"]["IMG-accuracy"] == {"7B": 66.8, "13B": 71.6}
    assert result["comparable"] is False
    assert "not comparable with the published figures: 1 questions, the published figures are of 4,241" in shown.output


def test_a_score_on_another_split_does_not_compare_with_the_published_one(tmp_path: Path) -> None:
    found = scored("vqav2", vqav2(tmp_path, ["yes"] * 10), [{"question_id": 0, "text": "yes"}])
    assert incomparable(found) == "the published figures are of test-dev"


def test_every_benchmark_says_what_it_needs_and_needs_no_torch() -> None:
    shown = CliRunner().invoke(train, ["benchmarks", "--format", "json"])
    described = json.loads(shown.output)
    assert [one["name"] for one in described] == [one.name for one in all_benchmarks()]
    assert all(one["licence"] and one["evidence"] and one["rule"] and one["files"] for one in described)
    modules = "mix665k.trainer.evaluation.benchmarks, mix665k.trainer.evaluation.score"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_question_that_is_twice_in_the_data_is_refused(tmp_path: Path) -> None:
    mmbench(tmp_path, *[(1, "Q?", "", "x", "y", "", "", "A")] * 2)
    with pytest.raises(EvaluationError, match="index '1' is there twice in --data"):
        scored("mmbench", tmp_path, [{"index": 1, "prediction": "A"}])


def test_an_xlsx_that_is_none_is_one_line(tmp_path: Path) -> None:
    mmbench(tmp_path, (1, "Q?", "", "x", "y", "", "", "A"))
    (tmp_path / "a.xlsx").write_text("index,prediction")
    shown = CliRunner().invoke(
        train, ["score", "mmbench", "--data", str(tmp_path), "--answers", str(tmp_path / "a.xlsx")]
    )
    assert shown.exit_code == 1
    assert "a.xlsx: not an xlsx file" in shown.output
