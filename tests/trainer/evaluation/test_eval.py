"""`train eval`: its answers are those of `train generate`, whatever is asked at once, and survive a kill."""

import json
from pathlib import Path

import pytest

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.registry import Request
from mix665k.trainer.generate import generate
from tests.trainer.evaluation.asking import LENGTH, answers, ask, own_benchmark, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_benchmark(tmp_path_factory.mktemp("benchmark"))


def texts(out: Path) -> list[str]:
    return [json.loads(line)["text"] for line in answers(out).splitlines()]


def test_each_answer_is_that_of_train_generate(model: Path, benchmark: Path, tmp_path: Path) -> None:
    ask(model, benchmark, tmp_path)
    for line in answers(tmp_path).splitlines()[::3]:
        one = json.loads(line)
        image = json.loads((benchmark.parent / "mine.jsonl").read_text().splitlines()[one["question_id"]]).get("image")
        picture = benchmark.parent / "images" / image if image else None
        assert one["text"] == generate(str(model), prompt=one["prompt"], image=picture, max_new_tokens=LENGTH)


@pytest.mark.parametrize("rows", [1, 3])
def test_no_answer_depends_on_the_size_of_a_batch(rows: int, model: Path, benchmark: Path, tmp_path: Path) -> None:
    ask(model, benchmark, tmp_path / "auto")
    ask(model, benchmark, tmp_path / "other", rows=rows)
    assert answers(tmp_path / "auto") == answers(tmp_path / "other")


def test_a_run_answers_as_its_export(model: Path, benchmark: Path, tmp_path: Path) -> None:
    ask(model, benchmark, tmp_path / "export", limit=3)
    ask(model.parent / "run", benchmark, tmp_path / "run", limit=3)
    of_export, of_run = (
        [json.loads(line)["text"] for line in answers(tmp_path / name).splitlines()] for name in ("export", "run")
    )
    assert of_export == of_run


def test_the_same_command_goes_on_after_a_kill_within_a_line(model: Path, benchmark: Path, tmp_path: Path) -> None:
    ask(model, benchmark, tmp_path, rows=3)
    journal, expected = tmp_path / "mine/journal-0.jsonl", answers(tmp_path)
    written = journal.read_bytes()
    for size in (len(written) * 2 // 3, 10):
        journal.write_bytes(written[:size])
        (tmp_path / "mine/answers.jsonl").unlink()
        ask(model, benchmark, tmp_path, rows=3)
        assert answers(tmp_path) == expected


def test_another_model_prompt_or_question_refuses(model: Path, benchmark: Path, tmp_path: Path) -> None:
    ask(model, benchmark, tmp_path, limit=2)
    with pytest.raises(EvaluationError, match=r"of another questions: [0-9a-f]{16}, now [0-9a-f]{16}; repeat that"):
        ask(model, benchmark, tmp_path, limit=3)
    with pytest.raises(EvaluationError, match="of another model weights"):
        ask(model.parent / "run", benchmark, tmp_path, limit=2)
    with pytest.raises(EvaluationError, match="no split 'test'"):
        ask(model, benchmark, tmp_path, request=Request(split="test"))
