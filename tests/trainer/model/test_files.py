"""What a model's files hold, and under which names."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    Dinov2Config,
    Gemma3TextConfig,
    GenerationConfig,
    GptOssConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Phi3Config,
    Qwen3MoeConfig,
    SiglipVisionConfig,
)

from mix665k.trainer.model.files import readable_by_transformers_4, write_model

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
PICTURE: dict[str, Any] = {"image_size": 28, "patch_size": 14}
LLAMA: dict[str, Any] = {**SMALL, "vocab_size": 64}


def _model(text: Any, vision: Any) -> Any:
    kind: Any = LlavaForConditionalGeneration
    torch.manual_seed(0)
    return kind(LlavaConfig(vision_config=vision, text_config=text, image_token_index=63))


def _names(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


@pytest.mark.parametrize("tower", [CLIPVisionConfig, SiglipVisionConfig])
def test_weights_have_the_names_of_llava_hf(tmp_path: Path, tower: Any) -> None:
    write_model(_model(LlamaConfig(**LLAMA), tower(**SMALL, **PICTURE)), tmp_path)

    names = _names(tmp_path)
    assert {name.split(".layers.")[0] for name in names if ".layers." in name} == {
        "language_model.model",
        "vision_tower.vision_model.encoder",
    }
    assert {
        "language_model.model.embed_tokens.weight",
        "language_model.model.norm.weight",
        "language_model.lm_head.weight",
        "multi_modal_projector.linear_1.weight",
        "multi_modal_projector.linear_2.bias",
        "vision_tower.vision_model.embeddings.patch_embedding.weight",
    } < names


def test_a_tower_without_that_prefix_in_transformers_4_gets_none(tmp_path: Path) -> None:
    write_model(_model(LlamaConfig(**LLAMA), Dinov2Config(**SMALL, **PICTURE)), tmp_path)

    assert {"vision_tower.embeddings.cls_token", "vision_tower.layernorm.weight"} < _names(tmp_path)


def test_what_was_written_is_read_again_to_the_bit(tmp_path: Path) -> None:
    model = _model(LlamaConfig(**LLAMA), CLIPVisionConfig(**SMALL, **PICTURE))
    write_model(model, tmp_path)

    kind: Any = LlavaForConditionalGeneration
    read, found = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert all(torch.equal(read.state_dict()[name], value) for name, value in model.state_dict().items())


def test_sampling_settings_and_a_list_of_end_tokens_survive_even_where_transformers_would_refuse(
    tmp_path: Path,
) -> None:
    model = _model(LlamaConfig(**LLAMA), CLIPVisionConfig(**SMALL, **PICTURE))
    kind: Any = GenerationConfig
    model.generation_config = kind(eos_token_id=[2, 7], temperature=0.9, top_p=0.6, pad_token_id=0)
    write_model(model, tmp_path)

    written = json.loads((tmp_path / "generation_config.json").read_text())
    del written["transformers_version"]
    assert written == {"eos_token_id": [2, 7], "temperature": 0.9, "top_p": 0.6, "pad_token_id": 0}


LLAMA_3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {"long_factor": [1.5] * 24, "short_factor": [1.0] * 24}


@pytest.mark.parametrize(
    ("text", "older"),
    [
        (LlamaConfig(), {"rope_theta": 10000.0, "rope_scaling": None}),
        (
            LlamaConfig(
                rope_parameters={**LLAMA_3, "rope_theta": 5e5, "original_max_position_embeddings": 64},
            ),
            {"rope_theta": 5e5, "rope_scaling": {**LLAMA_3, "original_max_position_embeddings": 64}},
        ),
        (
            Phi3Config(
                num_attention_heads=48,
                rope_parameters={"rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75, **LONG},
            ),
            {"rope_theta": 1e4, "partial_rotary_factor": 0.75, "rope_scaling": {"type": "longrope", **LONG}},
        ),
        (
            Gemma3TextConfig(),
            {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": None},
        ),
        (
            GptOssConfig(rope_parameters={"rope_type": "default", "rope_theta": 1.5e5}),
            {"rope_theta": 1.5e5, "rope_scaling": None},
        ),
        (Qwen3MoeConfig(num_experts=4), {"num_experts": 4}),
    ],
)
def test_a_configuration_has_the_names_of_transformers_4_too_and_reads_as_before(
    tmp_path: Path, text: Any, older: dict[str, Any]
) -> None:
    config = json.loads(text.to_json_string(use_diff=False))
    readable = readable_by_transformers_4({"text_config": config, "dtype": "bfloat16"})

    assert readable["torch_dtype"] == "bfloat16"
    assert {key: readable["text_config"].get(key) for key in older} == older
    (tmp_path / "config.json").write_text(json.dumps(readable["text_config"]))
    read = AutoConfig.from_pretrained(tmp_path)
    rope = {key: value for key, value in read.rope_parameters.items() if key != "type"}
    assert rope == text.rope_parameters | ({"rope_type": rope["rope_type"]} if "rope_type" in rope else {})
