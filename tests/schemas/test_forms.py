"""The recipe's and the manifest's forms: what they take, refuse and leave out."""

from typing import Any

import msgspec
import pytest

from mix665k.schemas import errors
from mix665k.schemas.conversation import Record
from mix665k.schemas.manifest import Flow, FunnelStep
from mix665k.schemas.recipe import Block, Expect, Recipe


def _recipe(**fields: Any) -> Recipe:
    return msgspec.convert({"name": "r", "sources": [{"source": "gqa"}], **fields}, Recipe)


def test_the_smallest_recipe_has_these_defaults() -> None:
    recipe = _recipe()

    assert (recipe.seed, recipe.tokenizer, recipe.draws_from, recipe.integer_ids) == (None, None, None, [])
    assert recipe.sources == [Block("gqa")]
    assert recipe.sources[0].label == "gqa"
    assert Block("gqa", name="mine").label == "mine"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, r"Expected `str` of length >= 1 - at `\$\.name`"),
        ({"sources": []}, r"Expected `array` of length >= 1 - at `\$\.sources`"),
        ({"sources": [{"sauce": "gqa"}]}, r"Object contains unknown field `sauce` - at `\$\.sources\[0\]`"),
        ({"sources": [{"name": "gqa"}]}, r"Object missing required field `source`"),
        ({"sources": [{"source": "gqa", "step": []}]}, r"Object contains unknown field `step`"),
        (
            {"sources": [{"source": "a/b"}]},
            r"matching regex .* - at `\$\.sources\[0\]\.source`",
        ),
        ({"sources": [{"source": "gqa", "steps": [{"repeat": 2}]}]}, r"Expected `str \| object`, got `int`"),
        ({"sources": [{"source": "gqa", "steps": [{"repeat": None}]}]}, r"Expected `str \| object`, got `null`"),
        ({"sources": [{"source": "gqa", "steps": [3]}]}, r"Expected `str \| object`, got `int`"),
        ({"sources": [{"source": "gqa", "expect": {"count": -1, "because": ""}}]}, r"Expected `int` >= 0"),
        ({"sources": [{"source": "gqa", "expect": {"count": 1}}]}, r"Object missing required field `because`"),
        ({"seed": "six"}, r"Expected `int \| null`, got `str` - at `\$\.seed`"),
        ({"seeds": 6}, r"Object contains unknown field `seeds`"),
        ({"integer_ids": "gqa"}, r"Expected `array`, got `str`"),
    ],
)
def test_a_recipe_of_another_form_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        _recipe(**fields)


def test_an_expectation_is_not_strict_unless_it_says_so() -> None:
    assert Expect(5, "counted").strict is False


@pytest.mark.parametrize(
    ("flow", "adds_up"),
    [
        (Flow(3, 3), True),
        (Flow(3, 1, {"a": -3, "b": 1}), True),
        (Flow(3, 2), False),
        (Flow(3, 2, {"a": 1}), False),
        (Flow(0, 0, {"a": 0}), True),
    ],
)
def test_a_flow_adds_up_when_its_changes_explain_the_difference(flow: Flow, adds_up: bool) -> None:
    assert flow.adds_up() is adds_up


def test_a_funnel_step_comes_back_from_json() -> None:
    step = FunnelStep("read", Flow(3, 2, {"gone": -1}), Flow(5, 5), noted={"seen": 1}, examples={"gone": ["x"]})

    assert msgspec.json.decode(msgspec.json.encode(step), type=FunnelStep) == step


ROW: dict[str, Any] = {
    "id": "gqa/1",
    "source": "gqa",
    "image": "gqa/images/1.jpg",
    "conversations": [{"from": "human", "value": "<image>\nDry?"}, {"from": "gpt", "value": "Yes"}],
    "origins": ["00417"],
    "steps": [],
    "reference_id": "1",
}


def test_a_row_is_a_record() -> None:
    record = msgspec.convert(ROW, Record)

    assert record.conversations[0].role == "human"
    assert msgspec.to_builtins(record) == ROW | {"more_images": None, "system": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "1"}, r"matching regex"),
        ({"id": "gqa/"}, r"matching regex"),
        ({"source": "a b"}, r"matching regex"),
        ({"image": ""}, r"of length >= 1 - at `\$\.image`"),
        ({"conversations": []}, r"of length >= 2"),
        ({"conversations": [{"from": "human", "value": ""}, ROW["conversations"][1]]}, r"of length >= 1"),
        ({"conversations": [{"from": "user", "value": "a"}, ROW["conversations"][1]]}, r"Invalid enum value 'user'"),
        ({"origins": []}, r"of length >= 1 - at `\$\.origins`"),
        ({"reference_id": 1}, r"Expected `str`, got `int`"),
        ({"model": ""}, r"unknown field `model`"),
    ],
)
def test_a_row_of_another_form_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({**ROW, **change}, Record)


def test_every_error_kind_is_one_a_user_can_mend() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]

    assert {kind.__name__ for kind in kinds} >= {"RecipeError", "RawDataError", "TokenizerError", "MixtureError"}
    assert all(issubclass(kind, errors.UserError) for kind in kinds)
