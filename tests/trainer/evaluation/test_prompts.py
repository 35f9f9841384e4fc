"""The text of each official record's question is LLaVA's."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.template import TEMPLATES, render
from mix665k.trainer.evaluation.answer_files import read_answers
from mix665k.trainer.evaluation.benchmarks.mme import COGNITION, PERCEPTION
from mix665k.trainer.evaluation.data_files import data_of
from mix665k.trainer.evaluation.joining import join
from mix665k.trainer.evaluation.llava_answers import answer_lines
from mix665k.trainer.evaluation.registry import Question, Request, by_name
from tests.builders.building import SHARED
from tests.trainer.evaluation.cases import lines, write

PROMPTS = SHARED / "eval/prompts.jsonl"
RECORDS = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()] if PROMPTS.is_file() else []
pytestmark = pytest.mark.skipif(not RECORDS, reason="the shared evaluation data is not there")


SUBTASKS = [*PERCEPTION, *COGNITION]
SPLITS = {"vizwiz": "test", "vqav2": "test-dev", "pope": "random"}


def official_files(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record in its benchmark's official files."""
    row = "\t".join(str(record.get(key)) for key in ("image", "question", "answer"))
    columns = ("index", "question", "hint", "A", "B", "C", "D")
    cells = ['"' + (record.get(key) or "").replace('"', '""') + '"' for key in columns]
    table = "\t".join(columns) + "\n" + "\t".join(cells)
    of: dict[str, dict[str, Any]] = {
        "scienceqa": {"problems.json": {record.get("id"): record}, "pid_splits.json": {"test": [record.get("id")]}},
        "gqa": {"testdev_balanced_questions.json": {record.get("id"): record}},
        "textvqa": {
            "TextVQA_0.5.1_val.json": {"data": [{"answers": ["yes"] * 10} | record]},
            "TextVQA_Rosetta_OCR_v0.2_val.json": {"data": [record]},
        },
        "vizwiz": {"test.json": [record]},
        "vqav2": {"v2_OpenEnded_mscoco_test-dev2015_questions.json": {"questions": [record]}},
        "pope": {"coco_pope_random.json": lines([record])},
        "mme": {f"Your_Results/{subtask}.txt": row for subtask in SUBTASKS},
        "mmbench": {"mmbench_dev_20230712.tsv": table},
        "mmbench_cn": {"mmbench_dev_cn_20231003.tsv": table},
        "seed_bench": {"SEED-Bench.json": {"questions": [record]}},
        "llava_bench": {"questions.jsonl": lines([{"image": "001.jpg"} | record])},
        "mm_vet": {"mm-vet.json": {record.get("id"): record}},
    }
    return of[name]


def asked(name: str, record: dict[str, Any], folder: Path) -> Question:
    write(folder, official_files(name, record))
    benchmark = by_name(name)
    questions = benchmark.questions(data_of(folder, benchmark.files), Request(split=SPLITS.get(name)))
    return questions[SUBTASKS.index(record["subtask"]) if name == "mme" else 0]


def test_there_are_34() -> None:
    assert len(RECORDS) == 34


@pytest.mark.parametrize("place", range(len(RECORDS)))
def test_a_questions_text_and_picture_are_llavas(place: int, tmp_path: Path) -> None:
    one = RECORDS[place]
    found = asked(one["benchmark"], one["record"], tmp_path)
    assert found.text == one["text"]
    question = f"<image>\n{found.text}" if "<image>" in one["rendered"] else found.text
    assert render(TEMPLATES["v1"], [(question, "")]).text.startswith(one["rendered"])
    if one["image"] is not None:
        assert found.image is not None
        assert found.image.endswith(one["image"]), found.image


@pytest.mark.parametrize("place", range(len(RECORDS)))
def test_an_answer_as_train_eval_writes_it_is_joined_to_its_question(place: int, tmp_path: Path) -> None:
    one = RECORDS[place]
    benchmark = by_name(one["benchmark"])
    found = asked(one["benchmark"], one["record"], tmp_path)
    line = json.loads(answer_lines(benchmark, [found], ["Yes"], model="m"))
    (tmp_path / "answers.jsonl").write_text(lines([line]))
    assert join([found], read_answers(tmp_path / "answers.jsonl"), benchmark=benchmark, allow_missing=False) == ["Yes"]
    kinds: dict[str, Any] = {"scienceqa": str, "gqa": str, "textvqa": str, "mme": str, "mm_vet": int, "pope": int}
    assert isinstance(line["question_id"], kinds.get(one["benchmark"], (int, str)))
    if one["benchmark"] == "mme":
        assert line["question_id"].count("/") == 1
