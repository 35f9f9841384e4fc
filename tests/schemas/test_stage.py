"""A stage's form: what it takes, what it refuses, and the numbers it starts from."""

from typing import Any

import msgspec
import pytest

from mix665k.schemas.stage import Lora, Stage

SMALLEST: dict[str, Any] = {
    "name": "mine",
    "trains": ["projector"],
    "template": "plain",
    "lr": 1e-3,
    "global_batch": 256,
    "per_device_batch": 32,
    "image": "pad",
    "zero": 2,
    "seed": 0,
}


def _stage(**fields: Any) -> Stage:
    return msgspec.convert(SMALLEST | fields, Stage)


def test_what_a_stage_need_not_say_is_llavas() -> None:
    stage = _stage()

    assert (stage.epochs, stage.schedule, stage.warmup_ratio, stage.weight_decay) == (1.0, "cosine", 0.03, 0.0)
    assert (stage.max_tokens, stage.bf16, stage.gradient_checkpointing) == (2048, True, True)
    assert (stage.projector_lr, stage.vision_tower_lr, stage.lora) == (None, None, None)
    assert _stage(lora={}).lora == Lora(r=128, alpha=256, dropout=0.05)


def test_a_stage_does_not_change_under_a_run() -> None:
    stage: Any = _stage()
    with pytest.raises(AttributeError):
        stage.lr = 1.0


@pytest.mark.parametrize("name", SMALLEST)
def test_nothing_that_a_paper_must_state_has_a_default(name: str) -> None:
    fields = {key: value for key, value in SMALLEST.items() if key != name}
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{name}`"):
        msgspec.convert(fields, Stage)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trains": []}, r"length >= 1 - at `\$\.trains`"),
        ({"trains": ["head"]}, r"Invalid enum value 'head' - at `\$\.trains\[0\]`"),
        ({"lr": 0}, r"> 0"),
        ({"lr": 11}, r"<= 10"),
        ({"global_batch": 0}, r">= 1"),
        ({"zero": 1}, r"Invalid enum value 1 - at `\$\.zero`"),
        ({"seed": -1}, r">= 0"),
        ({"warmup_ratio": 1.0}, r"< 1"),
        ({"eval_fraction": 1.0}, r"< 1"),
        ({"image": "stretch"}, r"Invalid enum value 'stretch'"),
        ({"gradient_checkpointing": "some"}, r"Invalid enum value 'some'"),
        ({"lora": {"r": 0}}, r">= 1 - at `\$\.lora\.r`"),
        ({"lora": {"rank": 8}}, r"unknown field `rank`"),
        ({"learning_rate": 1.0}, r"unknown field `learning_rate`"),
        ({"max_tokens": 2048.5}, r"Expected `int`"),
    ],
)
def test_a_stage_of_another_form_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        _stage(**fields)
