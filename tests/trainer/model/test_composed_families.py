"""Every family under every tower, composed: its logits, its gradients, its adapters; or one line that refuses it."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers import LlavaForConditionalGeneration as Llava

from mix665k.schemas.errors import ModelError
from mix665k.schemas.stage import Lora
from mix665k.trainer.model.adapters import add_adapters, merge_adapters
from mix665k.trainer.model.compose import compose, describe
from mix665k.trainer.model.trainable import freeze
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.families import FAMILIES, language_model, made
from tests.trainer.towers import tower

LLAVA: Any = Llava
REFUSED = {
    "gemma2": "it scales or caps its logits",
    "cohere": "it scales or caps its logits",
    "granite": "it scales or caps its logits",
    "phi2": "its head has a bias",
    "mpt": "transformers cannot put it there",
    "opt": "transformers cannot put it there",
}
HELD = [name for name in FAMILIES if name not in REFUSED]
QUICK = {"vicuna", "qwen25", "gemma3", "gemma3_multimodal", "phi3", "mixtral"}
FAMILY = pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in HELD]
)
FITTING = ("clip56", "clip56_full", "siglip56", "siglip56_full", "dinov2", "internvit")
TOWER = pytest.mark.parametrize("vision", FITTING)


@lru_cache
def composed(family: str, vision: str = "clip56") -> Path:
    """The folder of a LLaVA; read only."""
    out = made() / f"composed-{family}-{vision}"
    compose(str(language_model(family)), str(tower(vision)), out, projector=None, template="plain", seed=0)
    return out


def load(family: str, vision: str = "clip56") -> Any:
    kinds: Any = {"text_config": "eager", "vision_config": "sdpa"}
    return LLAVA.from_pretrained(composed(family, vision), attn_implementation=kinds, dtype=torch.float32).eval()


def batch(model: Any) -> dict[str, torch.Tensor]:
    """A row with an image; one placeholder for each of its features."""
    config = model.config
    ids = torch.tensor([5, 6, *[config.image_token_id] * config.image_seq_length, *range(7, 60)])[None]
    side = 56
    return {"input_ids": ids, "pixel_values": torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))}


@FAMILY
def test_a_composed_model_gives_the_logits_of_its_language_model(family: str) -> None:
    kind: Any = AutoModelForImageTextToText if family == "gemma3_multimodal" else AutoModelForCausalLM
    alone = kind.from_pretrained(language_model(family), attn_implementation="eager", dtype=torch.float32).eval()
    ids = torch.arange(7, 80)[None]
    with torch.no_grad():
        expected, found = alone(input_ids=ids).logits, load(family)(input_ids=ids).logits
    assert float((found[..., : expected.shape[-1]] - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_llava_would_change_is_refused_in_one_line(family: str) -> None:
    with pytest.raises(ModelError, match=f"{REFUSED[family]}.*expected one built like") as error:
        describe(str(language_model(family)), str(tower("clip56")), "plain")
    assert "\n" not in str(error.value)


def gradients(model: Any) -> dict[str, torch.Tensor | None]:
    model(**batch(model)).logits.float().square().mean().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@FAMILY
def test_what_is_trained_gets_a_gradient_and_what_is_frozen_none(family: str) -> None:
    for trains in ("[projector]", "[projector, language_model, vision_tower]"):
        model = load(family)
        freeze(model, load_stage("finetune", [f"trains={trains}"]))
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = gradients(model)
        assert {name for name, gradient in found.items() if gradient is not None} == trained
        assert all(bool(found[name].abs().sum() > 0) for name in trained)  # type: ignore[union-attr]


@TOWER
def test_every_trained_parameter_of_a_tower_gets_a_gradient(vision: str) -> None:
    model = load("vicuna", vision)
    freeze(model, load_stage("finetune", ["trains=[vision_tower]"]))
    found = gradients(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name, gradient in found.items() if gradient is not None} == trained
    assert any(".layers.0." in name or ".layer.0." in name for name in trained)


@FAMILY
def test_adapters_are_on_every_linear_layer_and_merging_them_changes_no_logit(family: str) -> None:
    model = load(family)
    linear = {name for name, module in model.model.language_model.named_modules() if isinstance(module, nn.Linear)}
    freeze(model, load_stage("finetune"))
    add_adapters(model, Lora(r=4, alpha=8, dropout=0.0), seed=0)
    adapted = {name for name, module in model.named_modules() if hasattr(module, "lora_A")}
    assert adapted == {f"model.language_model.{name}" for name in linear}
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.1)
    given = batch(model)
    with torch.no_grad():
        before = model(**given).logits
        merge_adapters(model)
        after = model(**given).logits
    assert float((before - after).abs().max()) <= 1e-5 * float(before.abs().max())
