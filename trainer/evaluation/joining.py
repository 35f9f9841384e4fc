"""Answers to their questions, by the keys of each benchmark: none is lost, and none is taken for another's."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.registry import Benchmark, Key, Question

_NAMED = 3


def join(
    questions: Sequence[Question], answers: Sequence[Answer], *, benchmark: Benchmark, allow_missing: bool
) -> list[str | None]:
    """The answer to each question, None for one without.

    A key that several questions share takes as many answers, in their order.

    Raises:
        EvaluationError: for an answer without a question or to another text, two different answers to one question, and
            unless `allow_missing` a question without an answer.
    """
    index = _index(questions, benchmark)
    texts: list[str | None] = [None] * len(questions)
    used: Counter[Key] = Counter()
    strangers: list[str] = []
    for answer in answers:
        key = next((key for key in _keys(answer, benchmark) if key in index), None)
        if key is None:
            strangers.append(answer.where)
            continue
        places = index[key]
        place = places[min(used[key], len(places) - 1)]
        used[key] += 1
        _require_same_question(answer, questions[place])
        if texts[place] not in (None, answer.text):
            raise EvaluationError(
                f"{answer.where}: {_shown(key)} has two answers, {texts[place]!r} and {answer.text!r}; keep one"
            )
        texts[place] = answer.text
    if strangers:
        raise EvaluationError(
            f"{strangers[0]}: {len(strangers):,} of {len(answers):,} answers are to no question of {benchmark.name}"
            f"{_more(strangers[1:])}; are --answers and --data of the same benchmark, split and version?"
        )
    missing = [_shown(one.keys[0]) for one, text in zip(questions, texts, strict=True) if text is None]
    if missing and not allow_missing:
        raise EvaluationError(
            f"{benchmark.name}: {len(missing):,} of {len(questions):,} questions have no answer: "
            f"{', '.join(missing[:_NAMED])}{' …' if len(missing) > _NAMED else ''}; "
            "--allow-missing counts them as wrong"
        )
    return texts


def _keys(answer: Answer, benchmark: Benchmark) -> list[Key]:
    own = answer.fields.get("key")
    if isinstance(own, list) and all(isinstance(part, str) for part in own):  # `train eval` writes the key itself
        return [tuple(own)]
    keys = benchmark.keys(answer)
    if not keys and "doc_id" in answer.fields:  # lmms-eval's samples: the position in the split
        keys = [("position", str(answer.fields["doc_id"]))]
    return keys


def _index(questions: Sequence[Question], benchmark: Benchmark) -> Mapping[Key, list[int]]:
    index: defaultdict[Key, list[int]] = defaultdict(list)
    for place, question in enumerate(questions):
        index["position", str(place)].append(place)
        for key in question.keys:
            if key in index and not benchmark.repeats:
                raise EvaluationError(
                    f"{benchmark.name}: {_shown(key)} is there twice in --data; download the file again"
                )
            index[key].append(place)
    return index


def _require_same_question(answer: Answer, question: Question) -> None:
    """Ids of another version of a file lead to other questions; the prompt beside an answer shows it."""
    prompt = next(
        (answer.fields[name] for name in ("prompt", "input") if isinstance(answer.fields.get(name), str)), None
    )
    if prompt and _letters(question.bare) not in _letters(prompt):
        raise EvaluationError(
            f"{answer.where}: answers {prompt.partition(chr(10))[0]!r}, but {_shown(question.keys[0])} asks "
            f"{question.bare.partition(chr(10))[0]!r}; are --answers and --data of the same version?"
        )


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text).lower()


def _shown(key: Key) -> str:
    return " ".join((key[0], *map(repr, key[1:])))


def _more(others: Sequence[str]) -> str:
    named = [where.rpartition(": ")[2] for where in others[: _NAMED - 1]]
    return f", also {', '.join(named)}{' …' if len(others) >= _NAMED else ''}" if named else ""
