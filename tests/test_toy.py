"""The demo's model: seventy steps teach it the colours of pictures, seen or not."""

import json
from pathlib import Path

import pytest

from benchmarks.toy import demo
from benchmarks.toy.held_out import (
    Question,
    Tally,
    majority_answers,
    read_answers,
    read_questions,
    tallies,
    write_benchmark,
)
from mix665k.builders.synthetic import draw_images, write_raw
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.trainer.evaluate import Settings, evaluate
from mix665k.trainer.evaluation.registry import Request
from mix665k.trainer.tiny import write_tiny
from tests.conftest import SilentWatcher
from tests.mixtures.small import SHORT, record
from tests.trainer.running import Inputs, run


def _question(number: int, kind: str, answer: str, image: str = "a.jpg") -> Question:
    return Question(id=number, kind=kind, text=f"{kind} {number}?", answer=answer, image=image)


def test_right_answers_are_counted_by_kind_and_the_majority_comes_from_training() -> None:
    trained = [_question(number, "how many", answer) for number, answer in enumerate(["2", "1", "2"])]
    asked = [_question(10, "how many", "2"), _question(11, "how many", "1")]

    assert majority_answers(trained, asked) == {10: "2", 11: "2"}
    assert tallies(asked, {10: "2", 11: "2"}) == {"how many": Tally(2, 1), "all": Tally(2, 1)}


def test_the_picture_shown_is_the_first_asked_for_the_colours_of_ground_and_shape() -> None:
    asked = [
        _question(1, demo.COLOR, "red", "a.jpg"),
        _question(2, "how many", "2", "a.jpg"),
        _question(3, "how many", "1", "b.jpg"),
        _question(4, demo.COLOR, "blue", "b.jpg"),
        _question(5, demo.COLOR, "green", "b.jpg")._replace(text="What color is the background?"),
    ]
    assert [one.id for one in demo.first_picture(asked)] == [5, 4, 3]


RECIPE = """
name: colors
tokenizer: tiny
sources:
  - {source: llava_json, name: colors, files: {records: colors.json}}
"""


def about_ground(raw: Path) -> list[Question]:
    """The question about the background's colour of each picture: the smaller world that a test has time for."""
    return [one for one in read_questions(raw) if one.text == "What color is the background?"]


def learned(folder: Path, *, seed: int, steps: int) -> tuple[Tally, Tally]:
    """Right answers about unseen pictures: of a trained model, and of whoever gives the most common answer."""
    for name, number, scale in (("raw", seed, 0.03), ("unseen", seed + 100, 0.003)):
        write_raw(folder / name, scale=scale, seed=number, only=["vqav2"], scenes=True)
        draw_images(folder / name, folder / name / "images", seed=number, long_side_px=demo.IMAGE_PX)
    trained_on, asked = about_ground(folder / "raw"), about_ground(folder / "unseen")
    records = [record(one.id, one.image, f"<image>\n{one.text}\n{SHORT}", one.answer) for one in trained_on]
    (folder / "raw/colors.json").write_text(json.dumps(records))
    (folder / "colors.yaml").write_text(RECIPE)
    plan = make_plan(str(folder / "colors.yaml"), Options(folder / "raw", folder / "mixture"))
    build(plan, jobs=1, overwrite=False, listener=SilentWatcher())
    write_tiny(folder, tokenizer="tiny", seed=seed, image_px=demo.IMAGE_PX, hidden=demo.HIDDEN, spread=0.088)
    inputs = Inputs(folder / "mixture", folder / "raw/images", folder / "llm", folder / "vision")
    stage = ("--stage", demo.HERE / "finetune.yaml", "--max-steps", str(steps), "--seed", str(seed))
    done = run("pretrain", *inputs.options(), *inputs.models(), *stage, "--report-to", "none", "--out", folder / "run")
    assert done.returncode == 0, done.stderr[-2000:]
    benchmark = write_benchmark(folder / "eval", asked)
    given = Settings(data=folder / "eval", images=folder / "unseen/images", out=folder / "after", request=Request())
    [_] = evaluate(str(folder / "run"), [str(benchmark)], given)
    answers = read_answers(folder / "after"), majority_answers(trained_on, asked)
    model, majority = (tallies(asked, one)["all"] for one in answers)
    return model, majority


@pytest.mark.slow
def test_a_model_of_random_weights_learns_colours_that_no_majority_answer_has(tmp_path: Path) -> None:
    model, majority = learned(tmp_path, seed=0, steps=70)

    assert model.asked > 150
    assert majority.right < 0.3 * majority.asked
    assert model.right > 0.6 * model.asked
