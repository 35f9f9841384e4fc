"""`train eval`: its answers are those of `train generate`, whatever is asked at once, and survive a kill."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mix665k.schemas.errors import EvaluationError, ModelError
from mix665k.trainer.evaluate import Settings, evaluate
from mix665k.trainer.evaluation.journal import only_writer
from mix665k.trainer.evaluation.registry import Request
from mix665k.trainer.generate import generate
from tests.trainer.evaluation.asking import LENGTH, answers, ask, draw, own_benchmark, tiny_model
from tests.trainer.evaluation.cases import write
from tests.trainer.running import ONE_THREAD, TRAIN


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
        pictures = [benchmark.parent / "images" / image] if image else []
        assert one["text"] == generate(str(model), prompt=one["prompt"], images=pictures, max_new_tokens=LENGTH)


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


def test_a_changed_picture_and_a_second_writer_refuse(model: Path, tmp_path: Path) -> None:
    mine = own_benchmark(tmp_path)
    ask(model, mine, tmp_path / "out", limit=2)
    busy = re.escape(f"{tmp_path}/out/mine: another `train eval` is writing here")
    with only_writer(tmp_path / "out/mine"), pytest.raises(EvaluationError, match=busy):
        ask(model, mine, tmp_path / "out", limit=2)
    draw(tmp_path / "images/0.png", (60, 40), seed=9)
    with pytest.raises(EvaluationError, match=r"0\.png: has changed since .*out/mine was asked about it"):
        ask(model, mine, tmp_path / "out", limit=2)


def test_a_missing_or_broken_picture_stops_or_is_blank_and_counted(model: Path, tmp_path: Path) -> None:
    mine = own_benchmark(tmp_path)
    (tmp_path / "images/1.png").unlink()
    with pytest.raises(EvaluationError, match=r"images/1\.png: no such picture; 1 of 3 are missing"):
        ask(model, mine, tmp_path / "out")
    scored = ask(model, mine, tmp_path / "missing", allow_missing=True)
    assert scored.counts == {"asked": 17, "answered": 13, "missing": 4}
    assert len(answers(tmp_path / "missing").splitlines()) == 13
    (tmp_path / "images/1.png").write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match=r"images/1\.png: cannot be decoded: .*; download it again, or pass --on"):
        ask(model, mine, tmp_path / "out")
    scored = ask(model, mine, tmp_path / "blank", blank=True)
    assert scored.counts == {"asked": 17, "answered": 17, "missing": 0, "blank": 4}
    assert scored.unlike == ("4 pictures are blank",)


def test_what_cannot_be_asked_is_one_line(model: Path, benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"^mine: no questions with --limit 0, expected as many"):
        ask(model, benchmark, tmp_path, limit=0)
    with pytest.raises(EvaluationError, match=r"^mine: no prompt 'long'"):
        ask(model, benchmark, tmp_path, request=Request(prompt="long"))
    with pytest.raises(EvaluationError, match=r"--images .*none: no such folder"):
        ask(model, benchmark, tmp_path, images=tmp_path / "none")
    with pytest.raises(ModelError, match="no such folder"):
        ask(tmp_path / "no/model", benchmark, tmp_path)
    lines = (benchmark.parent / "mine.jsonl").read_text().replace("Is there", "Is <image> there", 1)
    write(tmp_path, {"mine.yaml": benchmark.read_text(), "mine.jsonl": lines})
    with pytest.raises(EvaluationError, match="question 0: its text holds <image>"):
        ask(model, tmp_path / "mine.yaml", tmp_path / "out", images=benchmark.parent / "images")
    stripped = tmp_path / "stripped"
    shutil.copytree(model, stripped)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (stripped / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="cannot be loaded as an image processor"):
        ask(stripped, benchmark, tmp_path / "out2")


def test_mmbench_is_asked_about_the_pictures_in_its_table(model: Path, tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (30, 30), seed=0)
    picture = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    rows = [f"{index}\tWhich?\tcat\tdog\tA\t{picture}" for index in (7, 1_000_007)]
    table = tmp_path / "mmbench_dev_20230712.tsv"
    for image, fault in ((picture, None), ("####", "image is no picture in base64"), ("aGVsbG8=", "no picture in")):
        table.write_text("\n".join(["index\tquestion\tA\tB\tanswer\timage", *rows]).replace(picture, image))
        settings = Settings(data=tmp_path, images=tmp_path, out=tmp_path / "out", request=Request())
        if fault:
            with pytest.raises(EvaluationError, match=f"index 7: its {fault}" if "image" in fault else fault):
                list(evaluate(str(model), ["mmbench"], settings))
        else:
            [scored] = evaluate(str(model), ["mmbench"], settings)
            assert scored.counts["asked"] == 2
            assert (tmp_path / "out/mmbench/pictures/7.jpg").read_bytes() == (tmp_path / "a.png").read_bytes()


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again_on_two_ranks_gives_the_same_bytes(
    model: Path, benchmark: Path, tmp_path: Path
) -> None:
    folder = benchmark.parent
    ask(model, benchmark, tmp_path / "whole")
    line = [str(TRAIN), "eval", str(model), str(benchmark), "--data", str(folder), "--images", str(folder / "images")]
    line += ["--out", str(tmp_path / "killed"), "--batch", "1"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=dict(os.environ) | ONE_THREAD)
    journal = tmp_path / "killed/mine/journal-0.jsonl"
    while not journal.is_file() or journal.read_bytes().count(b"\n") < 4:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert journal.read_bytes().count(b"\n") < 18
    ask(model, benchmark, tmp_path / "killed", nproc=2)
    assert answers(tmp_path / "killed") == answers(tmp_path / "whole")
    assert (tmp_path / "killed/mine/journal-1.jsonl").is_file()
