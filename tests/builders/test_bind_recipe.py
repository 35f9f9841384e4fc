"""Names and parameters of a recipe are resolved before a raw byte is read, with what to do when they do not fit."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.bind import Steps, bind, describe, parameters
from mix665k.builders.registry import SOURCES, STEPS
from mix665k.builders.steps.sample import Share
from mix665k.builders.steps.split import Positive
from mix665k.schemas.errors import RecipeError, did_you_mean
from mix665k.schemas.recipe import Block, Recipe, Step
from tests.builders.building import FIXTURES, build

NOWHERE = Path("/nowhere")


def _bind(*blocks: Block, **fields: Any) -> None:
    bind(Recipe("r", list(blocks), **fields), raw=NOWHERE)


def _steps(*steps: Any) -> None:
    _bind(Block("gqa", steps=list(steps)))


def test_binding_reads_nothing_and_fills_in_the_defaults() -> None:
    [bound] = bind(Recipe("r", [Block("textcaps", params={"caption": "drawn"})], seed=3), raw=NOWHERE)

    assert bound.params == {
        "seed": 3,
        "caption": "drawn",
        "prompt": "Provide a one-sentence caption for the provided image.",
        "ocr_line": "always",
    }
    assert bound.files["ocr"] == (NOWHERE / "textcaps/TextVQA_Rosetta_OCR_v0.2_train.json",)


def test_a_parameter_of_the_block_wins_over_the_recipes() -> None:
    [bound] = bind(Recipe("r", [Block("textcaps", params={"seed": 9})], seed=3), raw=NOWHERE)

    assert bound.params["seed"] == 9


def test_nested_steps_are_bound_with_their_own_parameters() -> None:
    steps: list[Step] = [
        {"sample": {"count": 2, "surviving": ["merge_by_image", {"drop_by_length": {"max_chars": 9}}]}}
    ]
    [bound] = bind(Recipe("r", [Block("gqa", steps=steps)], seed=1), raw=NOWHERE)

    merge, drop = bound.steps[0].inner["surviving"]
    assert (merge.step.name, merge.params) == ("merge_by_image", {})
    assert (drop.step.name, drop.params["max_chars"], drop.params["min_pairs"]) == ("drop_by_length", 9, 1)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Block("vqav"), r"recipe r: vqav: no source 'vqav'; did you mean 'vqav2'\?"),
        (Block("zzz"), r"recipe r: zzz: no source 'zzz'; expected one of aokvqa, gqa, lcs558k, .*, vqav2$"),
        (Block("gqa", params={"capitalise": True}), r"gqa: no parameter 'capitalise'; did you mean 'capitalize'\?"),
        (Block("gqa", params={"x": 1}), r"gqa: no parameter 'x'; expected one of capitalize"),
        (Block("gqa", params={"capitalize": "yes"}), r"gqa: capitalize: got 'yes', expected true \| false"),
        (Block("okvqa", params={"answer": "raw"}), r"answer: got 'raw', expected answer \| raw_answer"),
        (Block("aokvqa", params={"copies": 0}), r"copies: got 0, expected whole number ≥ 1 or null"),
        (Block("ocrvqa", params={"splits": 1}), r"splits: got 1, expected list of whole number"),
        (Block("ocrvqa", params={"splits": ["1"]}), r"splits: got \['1'\], expected list of whole number"),
        (Block("textcaps"), r"parameter 'seed' is not given; set it here or for the whole recipe"),
        (Block("vg", params={"seed": "six"}), r"vg: seed: got 'six', expected whole number"),
        (Block("vg", params={"seed": 1.5}), r"vg: seed: got 1.5, expected whole number"),
        (Block("vg", params={"seed": True}), r"vg: seed: got True, expected whole number"),
        (Block("gqa", files={"question": "q.json"}), r"gqa: files: no file 'question'; did you mean 'questions'\?"),
        (
            Block("vqav2", files={"questions": "q.json"}),
            r"vqav2: files: 'annotations' is not given, expected a path below the raw folder",
        ),
        (
            Block("refcoco", files={"refcoco+/refs": "r.p", "refcoco+/images": "i.json"}, params={"seed": 1}),
            r"refcoco: files: 'refcoco\+/annotations' is not given",
        ),
        (Block("gqa", name="mine", params={"x": 1}), r"recipe r: mine: no parameter 'x'"),
    ],
)
def test_a_source_that_does_not_fit_is_an_error(block: Block, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _bind(block)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("merge_by_img", r"gqa: no step 'merge_by_img'; did you mean 'merge_by_image'\?"),
        ({"qqq": {}}, r"gqa: no step 'qqq'; expected one of add_prompt, .*, truncate$"),
        ({"add_prompt": {"text": "a"}, "repeat": {"times": 2}}, r"steps: \['add_prompt', 'repeat'\] in one entry"),
        ({}, r"steps: \[\] in one entry, expected one step after each dash"),
        ("add_prompt", r"gqa: add_prompt: give either prompt or text$"),
        ({"add_prompt": {"prompt": "caption", "text": "a"}}, r"gqa: add_prompt: give either prompt or text$"),
        (
            {"add_prompt": "short_anwser"},
            r"gqa: add_prompt: no prompt 'short_anwser'; did you mean 'short_answer', or `\{text: \.\.\.\}` for one of",
        ),
        (
            {"add_prompt": "Be brief."},
            r"no prompt 'Be brief\.'; expected one of caption, option_letter, short_answer, or `\{text: \.\.\.\}`",
        ),
        ({"split": "9"}, r"gqa: split: got '9', expected \{parameter: value\}; see `mix steps split`"),
        ({"add_prompt": {"txt": "a"}}, r"gqa: add_prompt: no parameter 'txt'; did you mean 'text'\?"),
        ({"add_prompt": {"text": 3}}, r"add_prompt: text: got 3, expected text or null"),
        ({"add_prompt": {"text": "a", "questions": "last"}}, r"questions: got 'last', expected all \| first"),
        ({"repeat": {"times": 0}}, r"repeat: times: got 0, expected whole number ≥ 1"),
        ({"split": {}}, r"split: parameter 'max_pairs' is not given"),
        ({"split": {"max_pairs": -2}}, r"split: max_pairs: got -2, expected whole number ≥ 1"),
        ({"sample": {"count": 2}}, r"sample: parameter 'seed' is not given; set it here or for the whole recipe"),
        ({"sample": {"seed": 1}}, r"gqa: sample: give either count or fraction"),
        ({"sample": {"seed": 1, "count": 2, "fraction": 0.5}}, r"gqa: sample: give either count or fraction"),
        ({"sample": {"seed": 1, "fraction": 1.5}}, r"fraction: got 1.5, expected number > 0 ≤ 1 or null"),
        ({"sample": {"seed": 1, "fraction": 0}}, r"fraction: got 0, expected number > 0 ≤ 1 or null"),
        ({"sample": {"seed": 1, "count": 2, "surviving": "truncate"}}, r"surviving: got 'truncate', expected list of"),
        (
            {"sample": {"seed": 1, "count": 2, "surviving": ["trunkate"]}},
            r"gqa: sample: surviving: no step 'trunkate'; did you mean 'truncate'\?",
        ),
        (
            {"sample": {"seed": 1, "count": 2, "surviving": ["truncate"]}},
            r"sample: surviving: truncate: parameter 'tokenizer' is not given; set it here or for the whole recipe",
        ),
        ({"truncate": {"max_tokens": 9}}, r"truncate: parameter 'tokenizer' is not given"),
        (
            {"truncate": {"tokenizer": "tiny", "template": "vicuna"}},
            r"gqa: truncate: template: no template 'vicuna'; did you mean 'vicuna_v1'\?",
        ),
        ({"truncate": {"tokenizer": "tiny", "at": "turn"}}, r"truncate: at: got 'turn', expected inside \| pair"),
        ({"drop_by_pattern": {"pattern": "(a"}}, r"drop_by_pattern: pattern: '\(a' is not a regular expression: .*"),
        (
            {"sample": {"seed": 1, "count": 2, "draws_from": "none.json"}},
            r"sample: draws_from: /nowhere/none.json: no such file",
        ),
    ],
)
def test_a_step_that_does_not_fit_is_an_error(step: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _steps(step)


def test_two_sources_of_one_name_are_an_error() -> None:
    with pytest.raises(RecipeError, match="recipe r: two sources are called 'gqa'; give one a `name`"):
        _bind(Block("gqa"), Block("gqa"))
    with pytest.raises(RecipeError, match="two sources are called 'gqa'"):
        _bind(Block("gqa"), Block("vqav2", name="gqa"))
    _bind(Block("gqa"), Block("gqa", name="gqa_again"))


def test_a_recipes_draws_from_that_is_not_there_is_an_error_of_the_step_that_takes_it() -> None:
    block = Block("ocrvqa", steps=[{"sample": {"count": 2, "seed": 1}}])

    with pytest.raises(RecipeError, match=r"ocrvqa: sample: draws_from: /nowhere/mix\.json: no such file"):
        _bind(block, draws_from="mix.json")


def test_refcoco_takes_the_data_sets_whose_files_are_given() -> None:
    files = {f"refcocog/{role}": f"refcoco/refcocog/{name}" for role, name in _PARTS.items()}

    assert {o.split("/")[0] for *_, o in build("refcoco", raw=FIXTURES, files=files).pairs} == {"refcocog"}


_PARTS = {"refs": "refs(umd).p", "annotations": "instances.json", "images": "instances.json"}


def test_nearest_names_one_or_all() -> None:
    assert did_you_mean("trunc", ["truncate", "repeat"]) == "; did you mean 'truncate'?"
    assert did_you_mean("x", ["b", "a"]) == "; expected one of a, b"
    assert did_you_mean("x", []) == ""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "whole number"),
        (Positive, "whole number ≥ 1"),
        (Share, "number > 0 ≤ 1"),
        (str, "text"),
        (bool, "true | false"),
        (list[str], "list of text"),
        (str | None, "text or null"),
        (Steps, "list of steps"),
    ],
)
def test_types_are_described_in_a_yaml_authors_words(kind: Any, words: str) -> None:
    assert describe(kind) == words


def test_every_parameter_of_every_source_and_step_can_be_described() -> None:
    functions = [source.function for source in SOURCES.values()] + [step.function for step in STEPS.values()]
    kinds = [parameter.annotation for function in functions for parameter in parameters(function).values()]

    assert len(kinds) > 30
    assert all("anything" not in describe(kind) for kind in kinds)
