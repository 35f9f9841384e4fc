"""Proofs on a small random copy of a language model, drawn from its configuration."""

import copy
from typing import Any

from mix665k.schemas.errors import ModelError

WIDTH, VOCABULARY, WINDOW = 16, 64, 4
"""Of the copy: its feed-forward layers, its rows, and how far it looks where the model looks only so far."""
TOLERANCE = 1e-4
"""Of the largest logit: float32 kernels differ by 1e-6 of it, what must be found by 1e-2 and more."""


def require_same_logits(config: Any) -> None:
    """Refuse a language model that gives other logits as a part of LLaVA than alone.

    `LlavaForConditionalGeneration` has a head of weights alone: a bias, a factor or a cap of the logits would be lost
    without an error, and training would teach a model that nobody uses.

    Raises:
        ModelError: why the logits differ.
        Exception: whatever transformers raises for a model that does not have the form LLaVA expects.
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        alone = draw(small(config))
        head = alone.get_output_embeddings()
        if head.bias is not None:
            raise ModelError("its head has a bias, LLaVA's has none")
        ids = torch.randint(VOCABULARY, (1, 3 * WINDOW))
        expected = alone(input_ids=ids).logits
        composed = put_together(alone)
        if not same(composed(input_ids=ids).logits, expected):
            bare = head(alone.get_decoder()(input_ids=ids).last_hidden_state)
            why = "its layers read token ids" if same(bare, expected) else "it scales or caps its logits"
            raise ModelError(f"{why}, which LLaVA does not")


def small(config: Any) -> Any:
    """The configuration with two layers, one of each kind where there are several, and hardly any feed-forward."""
    # The width of attention stays: heads, rotations and norms depend on each other in ways that each family has anew.
    made = copy.deepcopy(config)
    made.num_hidden_layers = 2
    if kinds := getattr(config, "layer_types", None):
        made.layer_types = [kinds[0], next((kind for kind in kinds if kind != kinds[0]), kinds[0])]
    sizes = {"vocab_size": VOCABULARY, "intermediate_size": WIDTH, "moe_intermediate_size": WIDTH}
    for field, size in (sizes | dict.fromkeys(("sliding_window", "attention_chunk_size"), WINDOW)).items():
        if isinstance(getattr(config, field, None), int):
            setattr(made, field, size)
    made.use_cache = False
    made.pad_token_id = made.bos_token_id = made.eos_token_id = None
    return made


def draw(config: Any) -> Any:
    """A random model whose logits are large enough for a cap to show; its own attention, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    kind: Any = AutoModelForCausalLM
    model = kind.from_config(config, attn_implementation="eager", dtype=torch.float32)
    model.get_output_embeddings().weight.normal_()
    return model.eval()


def put_together(alone: Any) -> Any:
    """A LLaVA that holds the weights of a causal language model, beside a vision tower of one layer."""
    import torch
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    head, tied = alone.get_output_embeddings(), alone.config.tie_word_embeddings
    sizes: Any = {"hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    vision = CLIPVisionConfig(image_size=2, patch_size=1, **sizes)
    config = LlavaConfig(vision_config=vision, text_config=alone.config, tie_word_embeddings=tied)
    with torch.device("meta"):
        model: Any = LlavaForConditionalGeneration(config)
    # The decoder itself instead of its weights: what a model on the meta device computes, as rotations, has no values.
    model.model.language_model = alone.get_decoder()
    model.lm_head.load_state_dict(head.state_dict(), assign=True)
    return model.eval()


def same(found: Any, expected: Any) -> bool:
    """Whether logits are equal, up to the rounding of kernels."""
    return bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())
