"""Images and head of a model, told where to act."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import transformers

from mix665k.trainer.model.hooks import ImageFeatures, LabelledHead, Routers, routers_of
from tests.trainer.model.test_attention import load, saved
from tests.trainer.parts import IMAGE_PX, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE

__all__ = ["saved"]
IDS = torch.tensor([[5, *[IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE, 7, 8], [9, *[IMAGE_TOKEN_ID] * TOKENS_PER_IMAGE, 3, 4]])
POSITIONS = (IDS.flatten() == IMAGE_TOKEN_ID).nonzero().flatten()


@pytest.fixture
def model(saved: Path) -> Any:
    return load(saved, "segments").eval()


def images(seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand((2, 3, IMAGE_PX, IMAGE_PX), generator=draw, dtype=torch.float64)


@torch.no_grad()
def logits(model: Any, **given: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=IDS, use_cache=False, **given).logits
    return found


def test_logits_at_chosen_positions_are_those_of_all(model: Any) -> None:
    every = logits(model, pixel_values=images(0)).flatten(0, 1)
    chosen = torch.tensor([0, 18, 37, 20])
    with LabelledHead(model).at(chosen):
        found = logits(model, pixel_values=images(0))
    torch.testing.assert_close(found, every[chosen])


def test_images_go_to_their_positions_in_reading_order(model: Any) -> None:
    expected = logits(model, pixel_values=images(0))
    with ImageFeatures(model).at(images(0), POSITIONS):
        found = logits(model)
    torch.testing.assert_close(found, expected)
    with ImageFeatures(model).at(images(0).flip(0), POSITIONS):
        swapped = logits(model)
    assert not torch.isclose(swapped[0, -1], expected[0, -1]).all()


def test_a_model_is_as_it_was_after_the_context_also_when_that_fails(model: Any) -> None:
    expected = logits(model, pixel_values=images(0))
    head, features = LabelledHead(model), ImageFeatures(model)
    with pytest.raises(IndexError), head.at(torch.tensor([999])), features.at(images(1), POSITIONS):
        logits(model)
    assert torch.equal(logits(model, pixel_values=images(0)), expected)


@pytest.mark.parametrize("kind", ["Mixtral", "Qwen3Moe", "GptOss"])
def test_the_router_loss_is_transformers_own(kind: str) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
    text = getattr(transformers, f"{kind}Config")(vocab_size=50, num_key_value_heads=1, head_dim=8, **sizes, **experts)
    torch.manual_seed(0)
    alone = getattr(transformers, f"{kind}ForCausalLM")._from_config(text, attn_implementation="eager").eval()
    llava = SimpleNamespace(config=SimpleNamespace(text_config=text), model=SimpleNamespace(language_model=alone.model))
    routers = Routers(cast("Any", llava))
    ids, mask = torch.arange(2, 22).view(2, 10), torch.ones(2, 10)
    mask[1, 6:] = 0
    with torch.no_grad(), routers.recording():
        expected = alone(input_ids=ids, attention_mask=mask, output_router_logits=True).aux_loss
    alone.model(input_ids=ids + 1)
    assert float(routers.loss(mask)) == pytest.approx(float(expected), abs=1e-6)


def test_a_dense_model_has_no_routers(model: Any) -> None:
    assert routers_of(model.model.language_model) == []
