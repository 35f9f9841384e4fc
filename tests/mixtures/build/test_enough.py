"""A source with nothing left, and a draw that asks for more than there is, are errors unless they are meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.build.plan import Options
from mix665k.schemas.errors import MixtureError, RecipeError
from tests.mixtures.build.test_build import run, written

RECORD = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}


def built(folder: Path, block: str, *, records: int, **options: Any) -> int:
    """How many records a mixture of so many of one's own has."""
    (folder / "llava.json").write_text(json.dumps([RECORD | {"id": str(k)} for k in range(records)]))
    recipe = written(folder, f"{{name: x, seed: 1, sources: [{{source: llava_json, {block}}}]}}")
    return run(recipe, Options(folder, folder / "out", **options), jobs=1)[0].conversations


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        MixtureError, match=r"^llava_json: no record of \S+\.json is left \(its file has none\); if that is meant"
    ):
        built(tmp_path, "steps: []", records=0)
    assert not (tmp_path / "out/manifest.json").exists()


def test_a_source_of_which_everything_was_dropped_says_why(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"no record of \S+\.json is left \(matches 'Hi' 3\)"):
        built(tmp_path, "steps: [drop_by_pattern: {pattern: Hi}]", records=3)


def test_an_empty_source_may_be_meant(tmp_path: Path) -> None:
    assert built(tmp_path, "allow_empty: true", records=0) == 0


def test_a_draw_of_more_than_there_is_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MixtureError, match=r"^llava_json: sample: 3 of 50 conversations are there; ask for fewer, or"):
        built(tmp_path, "steps: [sample: {count: 50}]", records=3)


@pytest.mark.parametrize(
    ("block", "options"),
    [
        ("steps: [sample: {count: 50, at_most: true}]", {}),
        ("steps: [sample: {count: 50}]", {"limit": 3}),
        ("steps: [sample: {count: 3}]", {}),
        ("steps: [sample: {fraction: 1.0}]", {}),
    ],
)
def test_a_draw_may_be_meant_to_be_smaller(tmp_path: Path, block: str, options: dict[str, Any]) -> None:
    assert built(tmp_path, block, records=3, **options) == 3


@pytest.mark.parametrize("text", ["Q: {question} A:", "Answer about {image}."])
def test_a_prompt_that_would_fill_something_in_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match=r"\{\w+\} would be written as it is, nothing is filled in"):
        built(tmp_path, f"steps: [add_prompt: {{text: '{text}'}}]", records=1)


def test_braces_of_json_in_a_prompt_are_text(tmp_path: Path) -> None:
    assert built(tmp_path, """steps: [add_prompt: {text: 'Answer as {"answer": "..."}.'}]""", records=2) == 2
