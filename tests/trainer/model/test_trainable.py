"""What learns in a stage."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mix665k.trainer.model.trainable import freeze, make_trainable
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.model.test_attention import load, saved

__all__ = ["saved"]


def learning(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("trains", "prefixes"),
    [
        ("[projector]", ("model.multi_modal_projector.",)),
        ("[language_model]", ("model.language_model.", "lm_head.")),
        ("[projector, language_model]", ("model.multi_modal_projector.", "model.language_model.", "lm_head.")),
    ],
)
def test_the_parts_of_a_stage_learn_and_no_other(saved: Path, trains: str, prefixes: tuple[str, ...]) -> None:
    model = load(saved, "segments")
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    freeze(model, load_stage("finetune", [f"trains={trains}"]))
    assert learning(model) == {name for name, _ in model.named_parameters() if name.startswith(prefixes)}


@pytest.mark.parametrize(
    ("layer", "last"),
    [(-1, 1), (-2, 0), (1, 0), ([-2, -1], 1), (-3, None)],
    ids=["last", "second-last", "by number", "two of them", "embeddings"],
)
def test_of_a_vision_tower_only_the_layers_that_features_come_through_learn(
    saved: Path, layer: int | list[int], last: int | None
) -> None:
    model = load(saved, "segments")
    model.config.vision_feature_layer = layer
    freeze(model, load_stage("finetune", ["trains=[vision_tower]"]))
    found = learning(model)
    layers = {int(name.split("encoder.layers.")[1].split(".")[0]) for name in found if "encoder.layers." in name}
    assert layers == (set() if last is None else set(range(last + 1)))
    assert any("patch_embedding" in name for name in found)
    assert not any("post_layernorm" in name for name in found)


def test_every_weight_that_learns_gets_a_gradient(saved: Path) -> None:
    """DDP waits for the gradient of each weight that is unfrozen."""
    model = make_trainable(load(saved, "sdpa"), load_stage("finetune", ["trains=[projector, vision_tower]", "zero=2"]))
    ids = torch.tensor([[5, *[model.config.image_token_index] * 16, 7, 8]])
    model(input_ids=ids, pixel_values=torch.rand(1, 3, 56, 56, dtype=torch.float64), labels=ids).loss.backward()
    assert [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None] == []


def test_adapters_learn_beside_the_projector_and_the_language_model_does_not(saved: Path) -> None:
    stage = load_stage("finetune", ["lora.r=2", "zero=2", "bf16=false"])
    found = learning(make_trainable(load(saved, "segments"), stage))
    adapters = {name for name in found if ".lora_" in name}
    assert len(adapters) == 2 * 2 * 7  # A and B, layers, linear layers in each
    assert {name.rsplit(".", 2)[0] for name in found - adapters} == {"model.multi_modal_projector"}


def test_a_model_that_trains_keeps_no_cache(saved: Path) -> None:
    model = make_trainable(load(saved, "segments"), load_stage("pretrain"))
    assert (model.config.use_cache, model.config.text_config.use_cache) == (False, False)
