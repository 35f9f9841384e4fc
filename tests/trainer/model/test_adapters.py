"""Adapters: which layers get them, and that merging them changes no logit."""

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from mix665k.schemas.errors import StageError
from mix665k.schemas.stage import Lora
from mix665k.trainer.model.adapters import adapted_layers, add_adapters, merge_adapters
from mix665k.trainer.model.trainable import freeze
from mix665k.trainer.run.stage_files import load_stage

SIZES: Any = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "pad_token_id": 0,
}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
FUSED = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
EXPERTS: Any = {"num_local_experts": 4, "num_experts_per_tok": 2}


def llava(kind: str, **settings: Any) -> Any:
    """A LLaVA with a language model of this configuration."""
    sizes: Any = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = transformers.CLIPVisionConfig(image_size=28, patch_size=14, **sizes)
    text = getattr(transformers, kind)(**SIZES, **settings)
    torch.manual_seed(0)
    made: Any = transformers.LlavaForConditionalGeneration
    return made(transformers.LlavaConfig(vision_config=vision, text_config=text)).eval()


@pytest.mark.parametrize(
    ("kind", "settings", "kinds"),
    [
        ("LlamaConfig", {}, ATTENTION | {"gate_proj", "up_proj", "down_proj"}),
        ("Phi3Config", {}, FUSED),
        ("GlmConfig", {"head_dim": 8}, ATTENTION | {"gate_up_proj", "down_proj"}),
        ("MixtralConfig", EXPERTS, ATTENTION),
        ("GPTNeoXConfig", {}, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    ],
)
def test_every_linear_layer_of_the_language_model_is_adapted_and_nothing_else(
    kind: str, settings: dict[str, Any], kinds: set[str]
) -> None:
    model = llava(kind, **settings)
    language = model.model.language_model
    linear = {name for name, module in language.named_modules() if isinstance(module, nn.Linear)}
    assert {name.rpartition(".")[2] for name in linear} == kinds
    names = set(model.state_dict())
    freeze(model, load_stage("finetune"))
    add_adapters(model, Lora(r=4, alpha=8, dropout=0.0), seed=0)
    adapted = {name for name, module in model.named_modules() if hasattr(module, "lora_A")}
    assert adapted == {f"model.language_model.{name}" for name in linear}
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("lora_" in name or "projector" in name)
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.3)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        before = model(input_ids=ids).logits
        merge_adapters(model)
        after = model(input_ids=ids).logits
    assert set(model.state_dict()) == names
    assert torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["q_proj"], ["layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj"]),
        (
            ["mlp.up_proj", "v_proj"],
            [f"layers.{k}.{name}" for k in (0, 1) for name in ("self_attn.v_proj", "mlp.up_proj")],
        ),
        (
            [r"1\.self_attn\.[qk]_proj", "q_proj"],
            [f"layers.{k}" for k in ("0.self_attn.q_proj", "1.self_attn.q_proj", "1.self_attn.k_proj")],
        ),
    ],
)
def test_targets_are_ends_of_names(targets: list[str], expected: list[str]) -> None:
    assert adapted_layers(llava("LlamaConfig"), Lora(targets=targets)) == expected


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("proj", "no linear layer's name ends so, expected some of down_proj, gate_proj, k_proj, o_proj, "),
        ("embed_tokens", "no linear layer's name ends so"),
        ("lm_head", "no linear layer's name ends so"),
        ("(", "no regular expression: "),
    ],
)
def test_a_target_that_is_no_layer_is_refused(target: str, why: str) -> None:
    with pytest.raises(StageError, match=rf"lora.targets: '\{target}': {why}" if target == "(" else why):
        add_adapters(llava("LlamaConfig"), Lora(targets=["q_proj", target]), seed=0)
