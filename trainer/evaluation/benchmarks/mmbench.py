"""MMBench and MMBench-CN: questions with options, asked once for each rotation of the options."""

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import FIX, Data, DataFile, plain, read_table
from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.readers import option_letter
from mix665k.trainer.evaluation.registry import (
    LETTER,
    MAX_LONG,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    Score,
    by_name,
    prompt_text,
    register,
    score_of,
)
from mix665k.trainer.evaluation.spreadsheet import spreadsheet

_PLACE = "https://download.openmmlab.com/mmclassification/datasets/mmbench/"
_TURN = 1_000_000
"""Index k + n * 1,000,000 is the question k with its options rotated n times."""
_CHINESE = "\n请直接回答选项字母。"


class Row(NamedTuple):
    """A row of the table: its question's index, which turn it is, its options and what it is about."""

    question: int
    turn: int
    cells: dict[str, str | None]
    options: dict[str, str]
    answer: str
    categories: tuple[str, str]


def _questions(data: Data, request: Request, *, name: str) -> list[Question]:
    benchmark = by_name(name)
    path = data.require(benchmark.files[0].path.rpartition("/")[2])
    added = prompt_text(benchmark, request)
    questions = []
    for row in read_table(path, columns=("index", "question", "A", "B")):
        if not row["index"].isdigit():
            raise EvaluationError(f"{path}: index {row['index']!r}, expected a number")
        options: dict[str, str] = {}
        for letter in "ABCD":
            if _missing(row.get(letter, "")):
                break
            options[letter] = row[letter]
        answer = "" if _missing(row.get("answer", "")) else row["answer"]
        if answer and answer not in options:
            raise EvaluationError(
                f"{path}: index {row['index']}: answer {answer!r}, expected one of {', '.join(options)}"
            )
        hint = "" if _missing(row.get("hint", "")) else f"{row['hint']}\n"
        text = f"{hint}{row['question']}\n" + "\n".join(f"{letter}. {option}" for letter, option in options.items())
        turn, question = divmod(int(row["index"]), _TURN)
        record = Row(
            question,
            turn=turn,
            cells={name: None if _missing(cell := row.get(name, "")) else cell for name in _COLUMNS},
            options=options,
            answer=answer,
            categories=(row.get("category", ""), row.get("l2-category", "")),
        )
        questions.append(
            Question((("index", row["index"]),), text=text + added, image=f"{question}.jpg", bare=text, record=record)
        )
    return questions


def _pictures(data: Data, *, name: str) -> dict[str, bytes]:
    """The pictures of the table, by the names that the questions have for them; all turns of a question share one."""
    path = data.require(by_name(name).files[0].path.rpartition("/")[2])
    found: dict[str, bytes] = {}
    for row in read_table(path, columns=("index", "image")):
        image = f"{int(row['index']) % _TURN}.jpg"
        if image not in found:
            found[image] = _decoded(row["image"], where=f"{path}: index {row['index']}")
    return found


def _decoded(text: str, *, where: str) -> bytes:
    from mix665k.schemas.pictures import UNDECODABLE, open_picture

    try:
        content = base64.b64decode(text, validate=True)
        with open_picture(io.BytesIO(content)):
            return content
    except UNDECODABLE:
        raise EvaluationError(f"{where}: its image is no picture in base64; {FIX}") from None


def _missing(cell: str) -> bool:
    return cell.strip().lower() in ("", "nan", "none")


def _keys(answer: Answer) -> list[Key]:
    index = answer.fields.get("index", answer.fields.get("question_id"))
    return [] if index is None else [("index", plain(index))]


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score | None:
    if not any(one.record.answer for one in questions):
        return None  # a test file: only the server knows
    read = [
        None if text is None else option_letter(text, one.record.options)
        for one, text in zip(questions, texts, strict=True)
    ]
    right: dict[int, dict[int, bool]] = defaultdict(dict)
    rows: dict[int, Question] = {}
    for one, letter in zip(questions, read, strict=True):
        row = one.record
        if not row.answer:
            raise EvaluationError(
                f"index {one.keys[0][1]}: no answer in the table, expected a letter; use the dev split"
            )
        right[row.question][row.turn] = letter == row.answer
        rows[row.question] = one
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for number, turns in right.items():
        one = rows[number]
        circular = (one.picture, float(all(turns.values())))
        groups["circular"].append(circular)
        groups["single"].append((one.picture, float(turns[min(turns)])))
        for kind, value in zip(("category", "l2-category"), one.record.categories, strict=True):
            if value:
                groups[f"{kind} {value}"].append(circular)
    unread = sum(letter is None and text is not None for letter, text in zip(read, texts, strict=True))
    overall = {name: groups.pop(name) for name in ("circular", "single")}
    return score_of(means(overall | dict(sorted(groups.items()))), unread=unread)


_COLUMNS = ("index", "question", *"ABCD", "prediction", "answer", "split")


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None], *, name: str) -> list[Output]:
    """What the server takes; LLaVA's script leaves out `answer` and `split` where the table has none."""
    rows = []
    for question, text in zip(questions, texts, strict=True):
        rows.append({**question.record.cells, "index": int(question.keys[0][1]), "prediction": text or ""})
    columns = [one for one in _COLUMNS if one not in ("answer", "split") or any(row[one] for row in rows)]
    return [Output(f"{name}_upload.xlsx", spreadsheet(columns, rows))]


_RULE = (
    "A question is right only if every turn of its options is. An answer is a letter; else the one letter among its "
    "words that is one of the last four; else the letter of `answer is X`; else the one option whose text it "
    "quotes; else it is wrong. Nothing is guessed. `single` is the first turn only."
)


def _register(
    *,
    name: str,
    title: str,
    file: str,
    prompt: str,
    evidence: str,
    num_questions: str,
    num_rows: int | None,
    published: tuple[float, float],
) -> Benchmark:
    return register(
        Benchmark(
            name=name,
            title=title,
            place=_PLACE,
            licence="Apache-2.0 or CC BY 4.0, as its pages say",
            num_questions=num_questions,
            metric="circular accuracy",
            files=(DataFile(f"mmbench/{file}", _PLACE + file),),
            prompts={"letter": prompt},
            max_new_tokens=MAX_LONG,
            rule=_RULE,
            form="A table between tabs: `index question hint A B C D answer category image l2-category split`.",
            traps=(
                "The first turn alone gives 75.4 where all turns give 67.7.",
                "Others guess at random where they read no letter.",
                "lmms-eval's prompt differs: hint, question and a sentence about options on one line.",
            ),
            evidence=evidence,
            questions=partial(_questions, name=name),
            scored_together=True,
            pictures=partial(_pictures, name=name),
            keys=_keys,
            score=_score,
            outputs=partial(_outputs, name=name),
            published_on={"": num_rows} if num_rows else {},
            published={"circular": published},
        )
    )


_register(
    name="mmbench",
    title="MMBench",
    file="mmbench_dev_20230712.tsv",
    prompt=LETTER,
    evidence="The authors' upload file of LLaVA-1.5-13B gives the published 67.7, and 75.43 for the first turn.",
    num_questions="dev 1,176, 4,377 with all turns",
    num_rows=4377,
    published=(64.3, 67.7),
)
_register(
    name="mmbench_cn",
    title="MMBench-CN",
    file="mmbench_dev_cn_20231003.tsv",
    prompt=_CHINESE,
    evidence="The rule is that of mmbench; no outputs of the authors were at hand.",
    num_questions="dev; how many is not known here, a copy has 4,329 with all turns",
    num_rows=None,
    published=(58.3, 63.6),
)
