"""How much memory a run will take, estimated without a GPU."""

from typing import Any, NamedTuple

from mix665k.schemas.stage import Stage


class Memory(NamedTuple):
    """Bytes on each rank."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self)


def count_parameters(config: Any) -> dict[str, int]:
    """Parameters of each part of a model, from its configuration alone."""
    import torch
    from transformers import LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    counts = {"projector": 0, "language_model": 0, "vision_tower": 0}
    for name, parameter in model.named_parameters():
        part = "projector" if "projector" in name else "vision_tower" if "vision_tower" in name else "language_model"
        counts[part] += parameter.numel()
    return counts


def estimate(config: Any, stage: Stage, *, ranks: int, tokens: int, labels: int) -> Memory:
    """Memory of each rank whose largest micro-batch holds `tokens`, padding included, and at most `labels`.

    Model states as ZeRO's paper counts them (Rajbhandari et al. 2020, section 3.1): AdamW keeps 12 bytes for each
    trained parameter. Activations by the rule of Korthikanti et al. 2022, equation 1: 34 bytes a token, layer and
    hidden unit, or 2 where they are computed anew, and what `selective` keeps besides; logits of labelled tokens are
    kept in float32 with their gradient.
    """
    counts = count_parameters(config)
    text = config.text_config
    size = 2 if stage.bf16 else 4
    trained = sum(counts[part] for part in stage.trains)
    if stage.lora is not None:
        linear = 4 * text.hidden_size + 3 * (text.hidden_size + text.intermediate_size)
        trained = counts["projector"] + stage.lora.r * text.num_hidden_layers * (4 * text.hidden_size + linear)
    layers = text.num_hidden_layers
    per_layer = 34 * size / 2 * text.hidden_size
    kept = layers * per_layer
    if stage.gradient_checkpointing:
        kept = layers * size * (text.hidden_size + _kept_outputs(text, stage)) + per_layer
    return Memory(
        weights=sum(counts.values()) * size / (ranks if stage.zero == 3 else 1),
        gradients=trained * size / (ranks if stage.zero else 1),
        optimizer=trained * 12 / (ranks if stage.zero else 1),
        activations=tokens * kept + labels * text.vocab_size * 8,
    )


def _kept_outputs(text: Any, stage: Stage) -> int:
    """The values of a token that a layer keeps of what it computes: of attention and of the seven products in it."""
    if stage.gradient_checkpointing != "selective":
        return 0
    keys = text.hidden_size // text.num_attention_heads * text.num_key_value_heads
    products = 3 * text.hidden_size + 2 * keys + 2 * text.intermediate_size
    adapted = 2 if stage.lora is not None else 1  # an adapter's product stands beside the weight's
    return int(text.hidden_size + adapted * products)
