"""What DeepSpeed is given, and which files of one's own are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import StageError
from mix665k.trainer.run.deepspeed_config import deepspeed_config
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.running import Inputs, finetune, steps_of

OWN: dict[str, Any] = {"zero_optimization": {"stage": 2, "overlap_comm": False}, "steps_per_print": 7}


def config(*sets: str) -> dict[str, Any]:
    found = deepspeed_config(load_stage("finetune", sets), universal=False)
    assert found is not None
    return found


def own(folder: Path, content: Any) -> str:
    (folder / "own.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return f"deepspeed={folder / 'own.json'}"


@pytest.mark.parametrize("zero", [2, 3])
def test_a_stage_has_the_deepspeed_configuration_of_its_zero(zero: int) -> None:
    stage = load_stage("finetune", [f"zero={zero}"])
    plain, universal = (deepspeed_config(stage, universal=value) for value in (False, True))
    assert plain is not None
    assert universal is not None
    assert plain["zero_optimization"]["stage"] == zero
    assert plain["gradient_accumulation_steps"] == plain["gradient_clipping"] == "auto"
    assert "checkpoint" not in plain
    assert universal == plain | {"checkpoint": {"load_universal": True}}


def test_a_stage_without_zero_has_no_deepspeed() -> None:
    assert deepspeed_config(load_stage("finetune", ["zero=0"]), universal=True) is None


def test_by_default_states_stay_on_the_gpu_and_gradients_are_added_in_the_weights_precision() -> None:
    found = config("zero=2")
    assert "offload_optimizer" not in found["zero_optimization"]
    assert "data_types" not in found
    assert found["zero_force_ds_cpu_optimizer"] is False


def test_offload_and_float32_gradients_are_said_to_deepspeed() -> None:
    found = config("zero=3", "offload=optimizer", "accumulate=fp32")
    assert found["zero_optimization"]["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert found["data_types"] == {"grad_accum_dtype": "fp32"}


def test_a_file_of_ones_own_is_taken_and_what_follows_from_the_stage_filled_in(tmp_path: Path) -> None:
    found = config("zero=2", own(tmp_path, OWN))
    assert found["zero_optimization"] == OWN["zero_optimization"]
    assert found["steps_per_print"] == 7
    assert found["train_batch_size"] == found["gradient_accumulation_steps"] == found["gradient_clipping"] == "auto"
    assert (found["bf16"], found["fp16"]) == ({"enabled": True}, {"enabled": False})
    assert config("zero=3", own(tmp_path, {}))["zero_optimization"] == {"stage": 3}


def test_llavas_own_files_are_taken(tmp_path: Path) -> None:
    llava = {
        "fp16": {"enabled": "auto", "loss_scale": 0, "loss_scale_window": 1000, "initial_scale_power": 16},
        "bf16": {"enabled": "auto"},
        "train_micro_batch_size_per_gpu": "auto",
        "train_batch_size": "auto",
        "gradient_accumulation_steps": "auto",
        "zero_optimization": {"stage": 2, "overlap_comm": True, "sub_group_size": 1e9, "reduce_bucket_size": "auto"},
    }
    found = config("zero=2", own(tmp_path, llava))
    assert found["zero_optimization"] == llava["zero_optimization"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (OWN | {"optimizer": {"type": "AdamW"}}, "has a section optimizer, but the stage's AdamW is used; take it out"),
        (OWN | {"scheduler": {"type": "WarmupLR"}}, "has a section scheduler, but the stage has its `schedule`"),
        (OWN | {"checkpoint": {}}, "has a section checkpoint"),
        ({"zero_optimization": {"stage": 3}}, "zero_optimization.stage is 3, the stage says `zero: 2`"),
        ({"zero_optimization": 2}, "zero_optimization is 2, expected a mapping"),
        (OWN | {"train_batch_size": 64}, 'train_batch_size is 64, but follows from the stage; say "auto"'),
        (OWN | {"gradient_accumulation_steps": 1}, "gradient_accumulation_steps is 1, but"),
        (OWN | {"bf16": {"enabled": False}}, "bf16.enabled is False, the stage's `bf16: True` needs True"),
        (OWN | {"fp16": {"enabled": True}}, "fp16.enabled is True, .* needs False"),
        (OWN | {"bf16": True}, "bf16.enabled is True"),
        ([], "expected a JSON object, as DeepSpeed takes it"),
        ("{", "not JSON: Expecting property name"),
    ],
)
def test_a_file_that_says_otherwise_than_the_stage_is_refused(tmp_path: Path, content: Any, why: str) -> None:
    with pytest.raises(StageError, match=rf"^deepspeed {tmp_path}/own.json: {why}"):
        config("zero=2", own(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"none.json: no such file or directory, expected DeepSpeed's JSON"):
        config("zero=2", f"deepspeed={tmp_path}/none.json")


@pytest.mark.parametrize("override", ["offload=optimizer", "deepspeed=own.json"])
def test_what_goes_with_deepspeed_is_refused_without_it(override: str) -> None:
    with pytest.raises(StageError, match="goes with DeepSpeed; say `zero: 2` or `zero: 3`"):
        deepspeed_config(load_stage("finetune", ["zero=0", override]), universal=False)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
def test_a_run_with_offload_float32_gradients_and_a_file_of_ones_own_learns_as_without(
    inputs: Inputs, projector: Path, tmp_path: Path, zero: int
) -> None:
    sets = (f"zero={zero}", "bf16=true", "per_device_batch=2")
    plain, offloaded = (
        finetune(inputs, projector, tmp_path / name, "--max-steps", "3", sets=(*sets, *more))
        for name, more in (
            ("plain", ()),
            ("own", ("offload=optimizer", "accumulate=fp32", own(tmp_path, {"zero_optimization": {}}))),
        )
    )
    assert [line["samples"] for line in plain] == [line["samples"] for line in offloaded]
    assert [line["loss"] for line in offloaded] == pytest.approx([line["loss"] for line in plain], rel=0.01)
    assert steps_of(tmp_path / "own")[-1]["step"] == 3
