"""An interval is that of the scorer's own figure on pictures drawn again."""

import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mix665k.trainer.evaluation import intervals as module
from mix665k.trainer.evaluation.benchmarks import gqa, mme
from mix665k.trainer.evaluation.benchmarks.mme import COGNITION, PERCEPTION
from mix665k.trainer.evaluation.intervals import Interval, draws, intervals
from mix665k.trainer.evaluation.parts import Part, means
from mix665k.trainer.evaluation.registry import Question, Request, Score, by_name
from mix665k.trainer.evaluation.score import document
from tests.trainer.evaluation.cases import problem, scienceqa, scored, vqav2, write


def question(number: int, picture: str, record: Any) -> Question:
    return Question((("id", str(number)),), text="?", image=picture, bare="?", record=record)


def asked(name: str) -> list[tuple[Question, str]]:
    """Questions on few pictures, with answers of which some are right."""
    chance = random.Random(0)
    pairs = []
    for number in range(60):
        yes = chance.random() < 0.5
        said = "Yes" if chance.random() < 0.6 else "No"
        if name == "pope":
            kind = ("random", "popular", "adversarial")[number % 3]
            pairs.append((question(number, f"{number % 7}.jpg", (kind, yes)), said))
        elif name == "mme":
            subtask = (*PERCEPTION, *COGNITION)[number % 14]
            pair = mme.Asked(subtask, image="i", question="?", answer="Yes" if yes else "No")
            pairs.append((question(number, f"{subtask}/{number % 4}.jpg", pair), said))
        else:
            labelled = gqa.Asked(image_id="i", question="?", answer=said.lower())
            pairs.append((question(number, f"{number % 7}.jpg", labelled), "yes"))
    return pairs


@pytest.mark.parametrize("name", ["pope", "mme", "gqa"])
def test_a_draw_is_the_scorers_figure_on_copies_of_the_drawn_pictures(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NUM_DRAWS", 5)
    pairs = asked(name)

    def score(of: Sequence[tuple[Question, str]]) -> Score:
        scorer = by_name(name).score
        assert scorer is not None
        found = scorer([one for one, _ in of], [text for _, text in of], Request())
        assert found is not None
        return found

    parts = score(pairs).parts
    places, sizes = module._places(parts)
    found = draws(parts)
    for place, counts in enumerate(np.concatenate(list(module._draw(sizes)))):
        assert sum(counts) == len(places)
        copies = [
            (one._replace(image=f"{one.image}{copy}"), text)
            for one, text in pairs
            for copy in range(int(counts[places[str(one.image)]]))
        ]
        again = score(copies).figures
        assert {key: of[place] for key, of in found.items() if not math.isnan(of[place])} == pytest.approx(again)


def test_the_interval_of_a_share_is_that_of_the_binomial_and_widens_where_pictures_are_shared() -> None:
    alone = means({"accuracy": [(str(number), float(number % 10 < 7)) for number in range(1000)]})
    shared = means({"accuracy": [(str(number % 100), float(number % 10 < 7)) for number in range(1000)]})
    width = 2 * 1.96 * 100 * math.sqrt(0.7 * 0.3 / 1000)
    for parts, expected in ((alone, width), (shared, width * math.sqrt(10))):
        found = intervals(parts)["accuracy"]
        assert found is not None
        assert found.high - found.low == pytest.approx(expected, rel=0.07)
        assert found.low < 70 < found.high


def test_the_draws_are_the_same_on_every_machine() -> None:
    parts = means({"accuracy": [(str(number), float(number < 5)) for number in range(12)]})
    assert [float(one) for one in draws(parts)["accuracy"][:4].round(4)] == [50.0, 16.6667, 41.6667, 58.3333]


TIMES = (("a", 1.0), ("b", 10.0))


def test_each_stratum_keeps_its_number_of_pictures() -> None:
    of = [Part([f"{name}{n}" for n in range(5)], [1.0] * 5, times=times, stratum=name) for name, times in TIMES]
    assert intervals({"sum": of})["sum"] == Interval(11.0, 11.0)
    counts = np.concatenate(list(module._draw([5, 5])))
    assert set(counts[:, :5].sum(axis=1)) == {5}


def test_one_picture_has_no_interval_and_a_score_shows_those_of_several(tmp_path: Path) -> None:
    scienceqa(tmp_path, problem(0, image="image.png"), problem(1), problem(0))
    found = document(scored("scienceqa", tmp_path, [{"question_id": n, "text": "A"} for n in range(3)]))
    assert found["intervals"]["IMG-accuracy"] is None
    assert found["intervals"]["accuracy"] == Interval(0.0, 100.0)
    assert json.loads(json.dumps(found["interval"])) == {"level": 0.95, "draws": 1000, "seed": 0, "over": "pictures"}


def test_no_figure_of_llava_bench_or_mm_vet_is_without_one(tmp_path: Path) -> None:
    reviews = [{"question_id": n, "category": "c", "tuple": [8, n % 5 + 1]} for n in range(60)]
    low, high = document(scored("llava_bench", tmp_path, reviews))["intervals"]["all"]
    assert low < 37.5 < high < 45
    one = {"imagename": "i", "question": "?", "answer": "x", "capability": ["ocr"]}
    write(tmp_path, {"mm-vet.json": {"v1_0": one, "v1_1": one | {"imagename": "j"}}})
    grades = json.dumps({"v1_0": {"score": [1.0]}, "v1_1": {"score": [0.0]}})
    assert document(scored("mm_vet", tmp_path, grades))["intervals"]["ocr"] == Interval(0.0, 100.0)


def test_the_intervals_of_100_000_answers_take_less_than_a_second() -> None:
    chance = random.Random(0)
    of = [(f"{number // 3}.jpg", chance.choice((0.0, 0.3, 1.0))) for number in range(100_000)]
    start = time.perf_counter()
    assert intervals(means({"accuracy": of, "accuracy yes/no": of[:40_000], "accuracy other": of[40_000:]}))
    assert time.perf_counter() - start < 1


def test_ten_people_are_scored_by_picture(tmp_path: Path) -> None:
    vqav2(tmp_path, ["yes"] * 10, ["no"] * 10)
    found = document(scored("vqav2", tmp_path, [{"question_id": 0, "text": "yes"}, {"question_id": 1, "text": "yes"}]))
    assert found["intervals"]["accuracy"] is None  # both are on one picture
