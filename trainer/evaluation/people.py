"""Scores by the answers of ten people, overall and by the type of answer."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mix665k.trainer.evaluation.parts import means
from mix665k.trainer.evaluation.registry import Question, Request, Score, score_of

Rule = Callable[[str, Sequence[str]], float]


class Labels(NamedTuple):
    """What ten people answered, and the type of their answers."""

    people: tuple[str, ...]
    kind: str


def score_by_people(
    questions: Sequence[Question], texts: Sequence[str | None], request: Request, *, rules: Mapping[str, Rule]
) -> Score:
    """The mean score by a rule, and that of each type of answer; `question.record` is a `Labels`."""
    rule = rules[request.rule or next(iter(rules))]
    total: list[tuple[str, float]] = []
    kinds: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for question, text in zip(questions, texts, strict=True):
        labels: Labels = question.record
        scored = (question.picture, 0.0 if text is None else rule(text, labels.people))
        total.append(scored)
        if labels.kind:
            kinds[f"accuracy {labels.kind}"].append(scored)
    return score_of(means({"accuracy": total, **dict(sorted(kinds.items()))}))
