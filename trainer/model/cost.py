"""What training a model costs, known without a GPU: memory of a rank, operations of a token."""

from typing import Any, NamedTuple

from mix665k.schemas.stage import Stage
from mix665k.trainer.model.compose import PARTS


class Memory(NamedTuple):
    """Bytes on each rank."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """Their sum."""
        return sum(self)


def count_parameters(config: Any) -> dict[str, int]:
    """Parameters of each part of a model, from its configuration alone; the head is counted with the language model."""
    import torch
    from transformers import LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        part = next((part for part, prefix in PARTS.items() if name.startswith(prefix)), "language_model")
        counts[part] += parameter.numel()
    return counts


def estimate(config: Any, stage: Stage, *, ranks: int, tokens: int, labels: int) -> Memory:
    """Memory of each rank when its largest micro-batch holds `tokens`, padding included, and at most `labels`.

    Model states as ZeRO's paper counts them (Rajbhandari et al. 2020, section 3.1): AdamW keeps 12 bytes for each
    trained parameter. Activations by the rule of Korthikanti et al. 2022, equation 1: 34 bytes a token, layer and
    hidden unit. Recomputed layers keep their input alone, with `selective` also the outputs of products and attention.
    Logits of labelled tokens are kept in float32 with their gradient.
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
    """The values that a recomputed layer keeps of each token besides its input: attention and its seven products."""
    if stage.gradient_checkpointing != "selective":
        return 0
    keys = text.hidden_size // text.num_attention_heads * text.num_key_value_heads
    products = 3 * text.hidden_size + 2 * keys + 2 * text.intermediate_size
    adapted = 2 if stage.lora is not None else 1  # an adapter's product beside the weight's
    return int(text.hidden_size + adapted * products)


class Flops(NamedTuple):
    """Operations of a forward and backward pass for each token, and for each label besides."""

    token: float
    label: float


def count_flops(model: Any) -> Flops:
    """2 operations a weight forward, 2 for its input's gradient, 2 for its own where it learns.

    Counted over the language model, the projector and, for labels only, the head, as for dense layers (Kaplan et al.
    2020, section 2.1); attention over the sequence and the vision tower are left out.
    """
    token = label = 0.0
    for name, parameter in model.named_parameters():
        # ZeRO-3 leaves an empty tensor on each rank and the true size in `ds_numel`
        operations = getattr(parameter, "ds_numel", parameter.numel()) * (6 if parameter.requires_grad else 4)
        if name.startswith("lm_head."):
            label += operations
        elif not name.startswith(PARTS["vision_tower"]) and "embed_tokens" not in name:
            token += operations
    return Flops(token=token, label=label)
