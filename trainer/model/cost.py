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


def count_parameters(model: Any, *, trained: bool = False) -> dict[str, int]:
    """Parameters of each part of a model, or those that learn; head and adapters count with the language model."""
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        part = next((part for part, prefix in PARTS.items() if name.startswith(prefix)), "language_model")
        counts[part] += parameter.numel() if parameter.requires_grad or not trained else 0
    return counts


def estimate(model: Any, stage: Stage, *, ranks: int, tokens: int, labels: int) -> Memory:
    """Memory of each rank when its largest micro-batch holds `tokens`, padding included, and at most `labels`.

    `model` is an `outline`. Model states as ZeRO's paper counts them (Rajbhandari et al. 2020, section 3.1): AdamW
    keeps 12 bytes for each trained parameter. Activations by the rule of Korthikanti et al. 2022, equation 1: 34 bytes
    a token, layer and hidden unit. Recomputed layers keep their input alone, with `selective` also the outputs of
    products and attention. Logits of labelled tokens are kept in float32 with their gradient.
    """
    text = model.config.text_config
    size = 2 if stage.bf16 else 4
    trained = sum(count_parameters(model, trained=True).values())
    per_layer = 34 * size / 2 * text.hidden_size
    kept = text.num_hidden_layers * per_layer
    if stage.gradient_checkpointing:
        kept = text.num_hidden_layers * size * text.hidden_size + per_layer
    if stage.gradient_checkpointing == "selective":
        kept += size * _kept_outputs(model)
    weights: float = sum(count_parameters(model).values()) * size
    if stage.lora is not None and stage.lora.bits is not None:
        weights -= _quantized(model) * (size - stage.lora.bits / 8)
    return Memory(
        weights=weights / (ranks if stage.zero == 3 else 1),
        gradients=trained * (4 if stage.zero and stage.accumulate == "fp32" else size) / (ranks if stage.zero else 1),
        optimizer=0.0 if stage.offload == "optimizer" else trained * 12 / (ranks if stage.zero else 1),
        activations=tokens * kept + labels * text.vocab_size * 8,
    )


def _quantized(model: Any) -> int:
    """The weights that are quantised where layers are: those of the language model's linear layers, not adapters."""
    from torch import nn

    layers = model.model.language_model.named_modules()
    return sum(one.weight.numel() for name, one in layers if isinstance(one, nn.Linear) and "lora_" not in name)


def _kept_outputs(model: Any) -> int:
    """The values that recomputed layers keep of each token besides their input: outputs of products and attention.

    The products of experts are grouped ones, which are recomputed.
    """
    from torch import nn

    text = model.config.text_config
    layers = [layer for layer in model.model.language_model.modules() if isinstance(layer, nn.Linear)]
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    attended = text.num_hidden_layers * text.num_attention_heads * head_dim
    return int(attended + sum(layer.out_features for layer in layers))


class Flops(NamedTuple):
    """Operations of a forward and backward pass for each token, and for each label besides."""

    token: float
    label: float


def count_flops(model: Any) -> Flops:
    """2 operations a weight forward, 2 for its input's gradient, 2 for its own where it learns.

    Counted over the language model, the projector and, for labels only, the head, as for dense layers (Kaplan et al.
    2020, section 2.1); attention over the sequence and the vision tower are left out. Of experts those that a token
    passes are counted; a head that is the embedding counts as a head.
    """
    head, embedding = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    token = 0.0
    for name, parameter in model.named_parameters():
        if parameter is not head and parameter is not embedding and not name.startswith(PARTS["vision_tower"]):
            token += _operations(parameter) * _share_passed(parameter, model.config.text_config)
    return Flops(token=token, label=_operations(head))


def _operations(parameter: Any) -> int:
    # ZeRO-3 leaves an empty tensor on each rank and the true size in `ds_numel`
    size: int = getattr(parameter, "ds_numel", parameter.numel())
    if quantised := getattr(parameter, "quant_state", None):
        size = quantised.shape.numel()  # two weights of 4 bits are one number
    return size * (6 if parameter.requires_grad else 4)


def _share_passed(parameter: Any, text: Any) -> float:
    """The share of a weight that each token is multiplied with: less than 1 of the experts' tensors [E, m, n]."""
    shape = getattr(parameter, "ds_shape", parameter.shape)
    passed = getattr(text, "num_experts_per_tok", None)
    return passed / shape[0] if passed and len(shape) == 3 else 1.0
