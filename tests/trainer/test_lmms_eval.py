"""lmms-eval, which most people evaluate with, gets the answers of an exported model that `train generate` gives."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from mix665k.trainer.export import export
from mix665k.trainer.generate import generate
from mix665k.trainer.tiny import write_tiny
from tests.trainer.environments import environment, run_there
from tests.trainer.exporting import untrained_run

TASK = Path(__file__).with_name("lmms_eval_task")
LMMS_EVAL = (
    *("lmms-eval==0.7.3", "loguru", "decord", "tenacity", "sacrebleu", "evaluate", "pytablewriter", "jsonlines"),
    *("sqlitedict", "numexpr", "python-dotenv", "openai", "pytz", "portalocker", "tabulate", "lxml", "aiohttp"),
    *("multidict", "yarl", "propcache", "aiohappyeyeballs", "aiosignal", "frozenlist"),
)
"""It and what it imports of what it depends on, for its model `llava_hf`; all of it would be gigabytes."""


@pytest.mark.slow
def test_lmms_eval_gets_the_answers_of_train_generate(tmp_path: Path) -> None:
    python = environment(*LMMS_EVAL)
    write_tiny(tmp_path, tokenizer="tiny")
    run = untrained_run(tmp_path / "run", llm=tmp_path / "llm", vision=tmp_path / "vision", stage="finetune")
    export(run, tmp_path / "model")
    picture = tmp_path / "picture.png"
    Image.new("RGB", (90, 60), (200, 30, 40)).save(picture)
    asked = ["What is this?", "And what is to the left of it, and why?"]
    records = [{"picture": str(picture), "question": question, "answer": ""} for question in asked]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, records)))
    shutil.copytree(TASK, tmp_path / "tasks")
    task = tmp_path / "tasks/made_up.yaml"
    task.write_text(task.read_text().replace("QUESTIONS", str(tmp_path / "questions.jsonl")))
    run_there(python, TASK / "ask.py", tmp_path / "model", tmp_path / "tasks", tmp_path / "said.json")

    said = json.loads((tmp_path / "said.json").read_text())
    expected = [generate(str(tmp_path / "model"), prompt=text, images=[picture], max_new_tokens=8) for text in asked]
    assert [text.strip() for text in said] == expected
