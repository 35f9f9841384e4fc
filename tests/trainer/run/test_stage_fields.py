"""`train stages` says what a stage can hold."""

import io

import pytest

from mix665k.schemas.errors import StageError
from mix665k.schemas.terminal import LiteralConsole
from mix665k.trainer.run.stage_fields import describe_stages, fields


def shown(name: str | None) -> list[list[str]]:
    screen = io.StringIO()
    describe_stages(LiteralConsole(file=screen, width=300), name)
    return [line.split() for line in screen.getvalue().splitlines()]


def test_every_field_has_its_default_or_is_required() -> None:
    lines = shown(None)
    assert ["lr", "required", "number", ">", "0", "≤", "10"] in [line[:7] for line in lines]
    assert ["warmup_ratio", "0.03"] in [line[:2] for line in lines]
    assert ["lora.r", "128"] in [line[:2] for line in lines]
    assert ["pretrain", "Stage", "1,"] in [line[:3] for line in lines]
    assert {field.name for field in fields()} <= {line[0] for line in lines if line}


def test_a_shipped_stage_has_its_own_values() -> None:
    lines = [line[:2] for line in shown("pretrain")]
    assert ["lr", "0.001"] in lines
    assert ["trains", "projector"] in lines
    assert ["warmup_ratio", "0.03"] in lines


def test_a_stage_that_is_not_shipped_is_an_error() -> None:
    with pytest.raises(StageError, match=r"^finetun: no such stage; did you mean 'finetune'"):
        shown("finetun")
