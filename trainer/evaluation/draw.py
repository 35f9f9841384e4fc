"""A fixed draw of a benchmark's questions, for a measure that is taken again and again."""

import hashlib
from collections.abc import Sequence

from mix665k.trainer.evaluation.registry import Benchmark, Question


def draw(benchmark: Benchmark, questions: Sequence[Question], *, count: int, seed: int) -> list[Question]:
    """At most `count` questions in the order of the file, those with the least hashes of seed and key.

    The same ones each time, and those of a smaller draw are among those of a larger one. Questions that are scored
    together are drawn together, by their picture.
    """

    def rank(question: Question) -> bytes:
        drawn = (question.image or "",) if benchmark.scored_together else question.keys[0]
        return hashlib.sha256("\0".join((str(seed), benchmark.name, *drawn)).encode()).digest()

    ranks = [rank(question) for question in questions]
    chosen = sorted(range(len(questions)), key=lambda place: (ranks[place], place))[:count]
    if benchmark.scored_together and len(chosen) < len(questions):
        cut = ranks[sorted(range(len(questions)), key=lambda place: (ranks[place], place))[count]]
        complete = [place for place in chosen if ranks[place] != cut]
        chosen = complete or [place for place, one in enumerate(ranks) if one == cut]
    return [questions[place] for place in sorted(chosen)]
