"""A benchmark of one's own: a YAML names a JSON-lines file beside it, a prompt and a scorer."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.handwritten import convert_yaml, read_handwritten
from mix665k.schemas.prompts import RESPONSE_FORMATS
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.answers import evalai_score, require_ten
from mix665k.trainer.evaluation.data_files import Data, DataFile, plain, read_json_lines
from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.readers import LETTERS, option_letter, pope_yes
from mix665k.trainer.evaluation.registry import MAX_SHORT, Benchmark, Key, Question, Request, Score, score_of

_TOLERANCE = 0.05
"""ChartQA's relaxed accuracy: a number may be 5 % away from the right one."""


class OwnBenchmark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{file: questions.jsonl, scorer: exact, prompt: short_answer}`; `prompt` is a name, or a text of its own."""

    file: str
    scorer: Literal["exact", "soft", "letter", "yes_no", "relaxed"]
    prompt: str = ""
    title: str = ""
    licence: str = "your own"
    max_new_tokens: Annotated[int, msgspec.Meta(ge=1)] = MAX_SHORT


class Record(msgspec.Struct):
    """`{"id": 1, "question": "…", "answer": "cat", "image": "1.jpg", "options": ["…"]}`; of `soft` ten answers."""

    id: str | int
    question: str
    answer: str | list[str]
    image: str | None = None
    options: list[str] = []


class Right(NamedTuple):
    """The right answer, or all that are right, and the options by their letters."""

    answers: tuple[str, ...]
    options: Mapping[str, str]


def read_own(path: Path) -> Benchmark:
    """The benchmark that a YAML describes; its file is looked for in `--data`.

    Raises:
        EvaluationError: when the YAML cannot be read, or says what no benchmark can be.
    """
    text = read_handwritten(path, kind=EvaluationError, where=path)
    own = convert_yaml(text, OwnBenchmark, kind=EvaluationError, where=path)
    line = RESPONSE_FORMATS.get(own.prompt, own.prompt)
    added = f"\n{line}" if line else ""
    return Benchmark(
        name=path.stem,
        title=own.title or path.stem,
        place="your own",
        licence=own.licence,
        num_questions="as many as its file holds",
        metric=f"accuracy ({own.scorer})",
        files=(DataFile(own.file, "where you keep it"),),
        prompts={own.prompt or "none": added},
        max_new_tokens=own.max_new_tokens,
        rule=f"the scorer {own.scorer}",
        evidence="none",
        form=Record.__doc__ or "",
        questions=partial(_questions, own=own, added=added),
        keys=_keys,
        score=partial(_score, scorer=_SCORERS[own.scorer], reads=own.scorer == "letter"),
    )


def _questions(data: Data, _: Request, *, own: OwnBenchmark, added: str) -> list[Question]:
    path = data.require(Path(own.file).name)
    lines = read_json_lines(path, Record)
    return [_question(one, own, where=f"{path}: line {number}", added=added) for number, one in lines]


def _question(one: Record, own: OwnBenchmark, *, where: str, added: str) -> Question:
    answers = (one.answer,) if isinstance(one.answer, str) else tuple(one.answer)
    options = dict(zip(LETTERS, one.options, strict=False))
    if own.scorer == "soft":
        require_ten(answers, where=where)
    elif own.scorer == "letter" and not set(answers) <= options.keys():
        raise EvaluationError(f"{where}: answer {one.answer!r}, expected the letter of one of {len(options)} options")
    elif own.scorer == "yes_no" and not set(answers) <= {"yes", "no"}:
        raise EvaluationError(f"{where}: answer {one.answer!r}, expected yes or no")
    elif not answers:
        raise EvaluationError(f"{where}: no answer, expected one or several")
    bare = "\n".join([one.question, *(f"{letter}. {option}" for letter, option in options.items())])
    right = Right(answers, options)
    return Question((("id", str(one.id)),), text=bare + added, image=one.image, bare=bare, record=right)


def _keys(answer: Answer) -> list[Key]:
    name = answer.fields.get("question_id", answer.fields.get("id", answer.fields.get("index")))
    return [] if name is None else [("id", plain(name))]


def _score(
    questions: Sequence[Question],
    texts: Sequence[str | None],
    _: Request,
    *,
    scorer: Callable[[str, Right], float],
    reads: bool,
) -> Score:
    pairs = list(zip(questions, texts, strict=True))
    scores = [(one.picture, 0.0 if text is None else scorer(text, one.record)) for one, text in pairs]
    unread = sum(reads and text is not None and not option_letter(text, one.record.options) for one, text in pairs)
    return score_of(means({"accuracy": scores}), unread=unread)


def _plain(text: str) -> str:
    return text.strip().rstrip(".").lower()


def _exact(text: str, right: Right) -> float:
    return float(_plain(text) in map(_plain, right.answers))


def _relaxed(text: str, right: Right) -> float:
    return float(any(_near(_plain(text), _plain(answer)) for answer in right.answers))


def _near(text: str, answer: str) -> bool:
    said, wanted = _number(text), _number(answer)
    if said is None or not wanted:
        return text == answer
    return abs(said - wanted) <= _TOLERANCE * abs(wanted)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "").removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None


_SCORERS: dict[str, Callable[[str, Right], float]] = {
    "exact": _exact,
    "relaxed": _relaxed,
    "soft": lambda text, right: evalai_score(text, right.answers),
    "letter": lambda text, right: float(option_letter(text, right.options) in right.answers),
    "yes_no": lambda text, right: float(("yes" if pope_yes(text) else "no") in right.answers),
}
