"""Formats that no training showed: JSON with given keys, another language, questions with an error in them."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json_lines
from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.registry import (
    MAX_LONG,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    Score,
    register,
    score_of,
)
from mix665k.trainer.evaluation.scripts import is_in, script_of

_READ = (
    "Please read the text in this image and return the information in the following JSON format (note xxx is "
    'placeholder, if the information is not available in the image, put "N/A" instead).\n{%s}'
)
_TRICKY = "If there are factual errors in the questions, point it out; if not, proceed to answering the question. "
"""The paper's prompts (arXiv 2310.03744, section 4.3)."""
_FENCED = re.compile(r"```[a-zA-Z]*\s*(.*?)\s*```", re.DOTALL)


class Record(msgspec.Struct):
    """`{"id": 1, "image": "1.jpg", "text": "…", "keys": ["class", "DLN"]}`; a record of keys needs no text.

    `tricky` puts the paper's sentence in front of the question; its answer is written out and not scored. `script` is
    that of the answer where it is not the question's.
    """

    id: str | int
    image: str | None = None
    text: str = ""
    keys: list[str] = []
    tricky: bool = False
    script: str | None = None


class Wanted(NamedTuple):
    """What an answer is to be: JSON with these keys, or in this script; of a tricky question neither."""

    keys: tuple[str, ...]
    script: str | None


def _questions(data: Data, _: Request) -> list[Question]:
    path = data.require("formats.jsonl")
    return [_question(one, where=f"{path}: line {number:,}") for number, one in read_json_lines(path, Record)]


def _question(one: Record, *, where: str) -> Question:
    text = one.text or (_READ % ", ".join(f'"{key}": xxx' for key in one.keys) if one.keys else "")
    if not text.strip():
        raise EvaluationError(f"{where}: no text, expected a question or the keys of an object")
    if len(set(one.keys)) < len(one.keys) or (one.keys and (one.tricky or one.script)):
        raise EvaluationError(f"{where}: expected distinct keys, and neither tricky nor script beside them")
    script = None if one.keys or one.tricky else (one.script or script_of(text))
    asked = _TRICKY + text if one.tricky else text
    record = Wanted(tuple(one.keys), script)
    return Question((("id", str(one.id)),), text=asked, image=one.image, bare=text, record=record)


def _keys(answer: Answer) -> list[Key]:
    name = answer.fields.get("question_id", answer.fields.get("id"))
    return [] if name is None else [("id", plain(name))]


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object that an answer is, a code fence round it or not; None where it is none, or says a key twice."""
    fenced = _FENCED.fullmatch(text.strip())
    twice = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice |= len({name for name, _ in pairs}) < len(pairs)
        return dict(pairs)

    try:
        found = json.loads(fenced[1] if fenced else text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not twice else None


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score | None:
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    tricky = without = unread = 0
    for question, text in zip(questions, texts, strict=True):
        wanted: Wanted = question.record
        if wanted.keys:
            found = None if text is None else read_object(text)
            unread += found is None and text is not None
            shares = {"JSON": found is not None, "exact keys": found is not None and found.keys() == set(wanted.keys)}
            shares |= {f"key {key}": found is not None and key in found for key in wanted.keys}
            for name, right in shares.items():
                groups[name].append((question.picture, float(right)))
        elif wanted.script is None:
            tricky += 1
        elif text is not None and script_of(text) is None:
            without += 1
        else:
            right = text is not None and is_in(text, wanted.script)
            for name in ("script", f"script {wanted.script}"):
                groups[name].append((question.picture, float(right)))
    notes = [f"{tricky:,} questions are written out and not scored"] if tricky else []
    notes += [f"{without:,} answers are a letter or a number, which no script has"] if without else []
    if not groups:
        return None
    return score_of(means(groups), unread=unread, notes=tuple(notes))


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """The questions that nothing but a person can score, with their answers."""
    lines = [
        json.dumps({"id": one.keys[0][1], "image": one.image, "text": one.text, "answer": text}, ensure_ascii=False)
        for one, text in zip(questions, texts, strict=True)
        if not one.record.keys and one.record.script is None
    ]
    return [Output("to_read.jsonl", "".join(f"{line}\n" for line in lines).encode())] if lines else []


FORMATS = register(
    Benchmark(
        name="formats",
        title="Zero-shot formats",
        place="your own",
        licence="your own",
        num_questions="as many as its file holds",
        metric="shares of answers in the form that was asked for",
        files=(DataFile("formats/formats.jsonl", "where you keep it"),),
        prompts={"paper": ""},
        max_new_tokens=MAX_LONG,
        rule=(
            "Records with `keys`: the answer is one JSON object, without the code fence round it, no key twice; it has "
            "exactly the keys; the share of each key. Records with `tricky`: the paper's sentence is put in front, the "
            "answer is written out. Others: more than half of the answer's words and characters are in the question's "
            "script, or in `script`; a letter or a number counts for neither."
        ),
        form=Record.__doc__ or "",
        evidence="The prompts are those of the paper, 4.3, as it prints them; it gives no figures.",
        questions=_questions,
        keys=_keys,
        score=_score,
        outputs=_outputs,
    )
)
