"""Which language models LLaVA can hold, and that those it holds give the logits that they give alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from mix665k.schemas.errors import ModelError
from mix665k.trainer.model.compose import compose
from mix665k.trainer.model.language import end_ids_of, language_config

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 200,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16}
GPT2: dict[str, Any] = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 200}


def write(out: Path, kind: str, **settings: Any) -> str:
    """The configuration of a language model, which is all that a look takes."""
    config: Any = getattr(transformers, kind)(**settings)
    config.architectures = [kind.replace("Config", "ForCausalLM")]
    config.save_pretrained(out)
    return str(out)


@pytest.mark.parametrize(
    ("kind", "settings", "tied"),
    [
        ("LlamaConfig", SIZES, False),
        ("LlamaConfig", SIZES | {"tie_word_embeddings": True, "head_dim": 32}, True),
        ("MistralConfig", SIZES | {"sliding_window": 8}, False),
        (
            "Qwen3MoeConfig",
            SIZES | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16},
            False,
        ),
        ("Gemma3TextConfig", SIZES | {"head_dim": 16}, True),
        ("Phi3Config", SIZES | {"pad_token_id": 0}, False),
        ("GPTNeoXConfig", SIZES, False),
        ("GlmConfig", SIZES | {"head_dim": 16, "pad_token_id": 0}, False),
        ("Olmo2Config", SIZES, False),
    ],
)
def test_what_llava_can_hold_passes(kind: str, settings: dict[str, Any], tied: bool, tmp_path: Path) -> None:
    assert language_config(write(tmp_path, kind, **settings)).tie_word_embeddings == tied


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        ("PhiConfig", SIZES, "a PhiForCausalLM .*: its head has a bias, LLaVA's has none"),
        ("CohereConfig", SIZES, "a CohereForCausalLM .*: it scales or caps its logits, which LLaVA does not"),
        ("Cohere2Config", SIZES, "it scales or caps its logits"),
        ("GraniteConfig", SIZES | {"logits_scaling": 8.0}, "it scales or caps its logits"),
        ("Gemma2Config", SIZES | {"head_dim": 16}, "it scales or caps its logits"),
        ("GPT2Config", GPT2, "transformers cannot put it there"),
        ("MptConfig", {"d_model": 64, "n_heads": 4, "n_layers": 2}, "transformers cannot put it there"),
        ("GPTNeoXConfig", SIZES | {"tie_word_embeddings": True}, "transformers cannot put it there"),
        ("T5Config", {}, "transformers cannot put it there"),
    ],
)
def test_what_llava_would_change_is_refused_in_one_line(
    kind: str, settings: dict[str, Any], why: str, tmp_path: Path
) -> None:
    name = write(tmp_path, kind, **settings)
    with pytest.raises(ModelError, match=f"^{name}: .*{why}.*; expected one built like Llama, Mistral") as error:
        language_config(name)
    assert "\n" not in str(error.value)


def test_a_factor_of_one_is_none(tmp_path: Path) -> None:
    assert language_config(write(tmp_path, "GraniteConfig", **SIZES, logits_scaling=1.0))


def test_a_look_draws_nothing_from_the_callers_generator(tmp_path: Path) -> None:
    name = write(tmp_path, "LlamaConfig", **SIZES)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    language_config(name)
    assert torch.equal(torch.rand(1), expected)


def test_end_tokens_are_those_of_its_generation(tmp_path: Path) -> None:
    name = write(tmp_path, "LlamaConfig", **SIZES, eos_token_id=7)
    assert end_ids_of(name) == (7,)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 9]}')
    assert end_ids_of(name) == (7, 9)


def test_a_composed_model_gives_the_logits_of_its_language_model(inputs: Any, tmp_path: Path) -> None:
    """Also where that is a part of another multimodal model, or has its head tied to the embedding."""
    words: Any = transformers.AutoTokenizer.from_pretrained(inputs.llm)
    sizes = SIZES | {"vocab_size": len(words), "head_dim": 16}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    composite: Any = transformers.Gemma3Config(
        text_config=sizes, vision_config=vision | {"image_size": 28, "patch_size": 14}, mm_tokens_per_image=1
    )
    kinds: Any = [
        transformers.Gemma3ForConditionalGeneration(composite),
        transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**sizes)),
        transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, tie_word_embeddings=True)),
    ]
    ids = torch.arange(20, 60)[None]
    for k, model in enumerate(kinds):
        llm, out = tmp_path / f"llm{k}", tmp_path / f"out{k}"
        model.save_pretrained(llm)
        words.save_pretrained(llm)
        compose(str(llm), str(inputs.vision), out, projector=None, template="v1", seed=0)
        llava: Any = transformers.LlavaForConditionalGeneration
        composed, loading = llava.from_pretrained(out, output_loading_info=True)
        found = composed.eval()(input_ids=ids).logits[..., : len(words)]
        assert not loading["missing_keys"]
        assert torch.allclose(found, model.eval()(input_ids=ids).logits, atol=1e-6), type(model)
