"""Scores by the answers of ten people, overall and by the type of answer."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mix665k.trainer.evaluation.registry import Question, Request, Score

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
    kinds: dict[str, list[float]] = defaultdict(list)
    total = 0.0
    for question, text in zip(questions, texts, strict=True):
        labels: Labels = question.record
        score = 0.0 if text is None else rule(text, labels.people)
        total += score
        if labels.kind:
            kinds[labels.kind].append(score)
    figures = {"accuracy": 100 * total / len(questions)}
    return Score(figures | {f"accuracy {kind}": 100 * sum(of) / len(of) for kind, of in sorted(kinds.items())})
