"""Images and head of a model, told where to act."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mix665k.trainer.model.hooks import ImageFeatures, LabelledHead
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
