"""Anybody's answers: LLaVA's JSON lines, lmms-eval's samples, VLMEvalKit's tables, files made for a server."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.data_files import read_bytes, read_json, read_json_lines, read_table
from mix665k.trainer.evaluation.spreadsheet import read_spreadsheet

_TEXTS = ("text", "prediction", "filtered_resps", "resps", "answer", "pred", "response")
"""Fields that hold an answer, best first; `answer` is the right one in files that have a `prediction` besides."""
_OF_A_LINE = {*_TEXTS, "question_id", "questionId", "doc_id", "index", "category"}
_TABLES = (".xlsx", ".tsv", ".csv")


class Answer(NamedTuple):
    """One answer: where it was read, its text, and the other fields."""

    where: str
    text: str
    fields: Mapping[str, Any]


def read_answers(path: Path) -> list[Answer]:
    """The answers of a file.

    Raises:
        EvaluationError: when it is empty or damaged, or an answer is missing or no string.
    """
    answers = [_answer(fields, where=where) for where, fields in read_records(path)]
    if not answers:
        raise EvaluationError(f"{path}: holds no answers, expected one for each question")
    return answers


def read_records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The records of a file of answers or reviews, each with where it was read.

    Raises:
        EvaluationError: when it is empty or damaged, or of no known form.
    """
    if path.suffix == ".xlsx":
        rows: Sequence[Mapping[str, Any]] = read_spreadsheet(path)
    elif path.suffix in _TABLES:
        rows = read_table(path, columns=())
    elif read_bytes(path).lstrip()[:1] == b"[":
        rows = read_json(path, list[dict[str, Any]])
    else:
        yield from _json_objects(path)
        return
    for number, row in enumerate(rows, start=1):
        yield f"{path}: record {number:,}", row


def _json_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """JSON lines, or one object from ids to texts: MM-Vet's results, and `outputs` of LLaVA's for ScienceQA."""
    content = read_bytes(path)
    try:
        whole = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = None
    if whole is None or whole.keys() & _OF_A_LINE:
        for number, fields in read_json_lines(path, dict[str, Any]):
            yield f"{path}: line {number:,}", fields
        return
    texts = whole["outputs"] if isinstance(whole.get("outputs"), dict) else whole
    for name, text in texts.items():
        yield f"{path}: {name!r}", {"question_id": name, "text": text}


def _answer(fields: Mapping[str, Any], *, where: str) -> Answer:
    name = next((name for name in _TEXTS if name in fields), None)
    if name is None:
        raise EvaluationError(f"{where}: no answer, expected a field {', '.join(_TEXTS[:2])} or resps")
    text = fields[name]
    while isinstance(text, list) and len(text) == 1:  # lmms-eval: one list per request, one text per repetition
        text = text[0]
    if not isinstance(text, str):
        raise EvaluationError(f"{where}: {name} is {text!r}, expected a string")
    return Answer(where, text, fields)
