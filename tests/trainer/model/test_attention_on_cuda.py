"""The kernels that only a GPU has: torch's varlen and flash-attn, in bfloat16."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mix665k.trainer.data.collate import Batch
from mix665k.trainer.model.attention import FLASH_SEGMENTS, has_flash_attn
from tests.trainer.model.test_attention import Shortcuts, batch, examples, gradients, load, losses, saved

__all__ = ["saved"]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
FLASH = pytest.param(FLASH_SEGMENTS, marks=pytest.mark.skipif(not has_flash_attn(), reason="needs flash-attn"))
KINDS = ("segments", FLASH)


def on_gpu(micro_batch: Batch) -> Batch:
    moved: Any = {
        name: value.cuda() if isinstance(value, torch.Tensor) else value for name, value in micro_batch.items()
    }
    moved["pixel_values"] = moved["pixel_values"].bfloat16()
    on_device: Batch = moved
    return on_device


def half(saved: Path, kind: str) -> Any:
    return load(saved, kind).bfloat16().cuda()


@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_those_of_half_precision(saved: Path, kind: str) -> None:
    """Against padded rows in float64: no further off than padded rows in bfloat16 are, give or take their noise."""
    plain = load(saved, "eager")
    expected = losses(plain, batch("grouped", examples()))
    wanted = gradients(plain, expected)
    rounded, model = half(saved, "eager"), half(saved, kind)
    padded = losses(rounded, on_gpu(batch("grouped", examples())))
    found = losses(model, on_gpu(batch("padding_free", examples())), by=Shortcuts(model))

    allowed = 2 * (padded.float().cpu() - expected).abs().max()
    assert (found.float().cpu() - expected).abs().max() <= allowed
    theirs, ours = gradients(rounded, padded), gradients(model, found)
    for name, value in wanted.items():
        allowed = 2 * (theirs[name].float().cpu() - value).norm() + 1e-6
        assert (ours[name].float().cpu() - value).norm() <= allowed, name


@pytest.mark.parametrize("kind", KINDS)
def test_changing_one_conversation_changes_nothing_in_its_neighbours(saved: Path, kind: str) -> None:
    model = half(saved, kind)
    by = Shortcuts(model)
    ours, others = examples(), examples(seed=2)
    mixed = [ours[0], others[1], ours[2], others[3]]
    before, after = (on_gpu(batch("padding_free", some)) for some in (ours, mixed))
    found, changed = (losses(model, one, by=by) for one in (before, after))
    kept = (before["example_index"] == 0) | (before["example_index"] == 2)
    assert torch.equal(found[kept], changed[kept])
    assert not torch.equal(found[~kept], changed[~kept])
