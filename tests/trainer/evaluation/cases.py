"""Small made-up benchmark files, and answers to them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mix665k.trainer.evaluation.registry import Request, by_name
from mix665k.trainer.evaluation.score import Scored, score_answers

YES = {"answers": [{"answer": "yes"}] * 10}


def write(folder: Path, files: Mapping[str, Any]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in records)


def scored(name: str, data: Path, answers: Sequence[Mapping[str, Any]] | str, **options: Any) -> Scored:
    """The score of these answers, written as JSON lines, to the files in `data`."""
    path = data / "answers.jsonl"
    path.write_text(answers if isinstance(answers, str) else lines(answers), encoding="utf-8")
    missing = options.pop("allow_missing", False)
    return score_answers(by_name(name), data=data, answers=[path], request=Request(**options), allow_missing=missing)


def figures(of: Scored) -> dict[str, float]:
    assert of.score is not None
    return dict(of.score.figures)


def problem(answer: int, **others: Any) -> dict[str, Any]:
    return {"question": "Which?", "choices": ["this", "that"], "answer": answer, "hint": "", "image": None} | others


def scienceqa(folder: Path, *problems: Mapping[str, Any]) -> Path:
    named = {str(number): one for number, one in enumerate(problems)}
    write(folder, {"problems.json": named, "pid_splits.json": {"test": list(named)}})
    return folder


def textvqa(folder: Path, *asked: Mapping[str, Any]) -> Path:
    data = [
        {"question_id": number, "image_id": "i", "answers": ["yes"] * 10, **one} for number, one in enumerate(asked)
    ]
    write(folder, {"TextVQA_0.5.1_val.json": {"data": data}})
    return folder


def vqav2(folder: Path, *people: Sequence[str]) -> Path:
    asked = [{"image_id": 1, "question": "What?", "question_id": number} for number in range(len(people))]
    labels = [
        {"question_id": number, "answers": [{"answer": text} for text in of], "answer_type": "other"}
        for number, of in enumerate(people)
    ]
    write(
        folder,
        {
            "v2_OpenEnded_mscoco_val2014_questions.json": {"questions": asked},
            "v2_mscoco_val2014_annotations.json": {"annotations": labels},
        },
    )
    return folder


def pope(folder: Path, **sets: Sequence[tuple[str, str]]) -> Path:
    for name, asked in sets.items():
        records = [
            {"question_id": number, "image": "a.jpg", "text": text, "label": label}
            for number, (text, label) in enumerate(asked, start=1)
        ]
        write(folder, {f"coco_pope_{name}.json": lines(records)})
    return folder


def mmbench(folder: Path, *rows: Sequence[Any], columns: str = "index question hint A B C D answer") -> Path:
    table = ["\t".join(columns.split()), *("\t".join(map(str, row)) for row in rows)]
    write(folder, {"mmbench_dev_20230712.tsv": "\n".join(table) + "\n"})
    return folder
