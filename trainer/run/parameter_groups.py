"""What AdamW is given: which parameters learn at which rate, and which of them decay."""

from typing import Any, NamedTuple

from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from mix665k.schemas.stage import Stage
from mix665k.trainer.model.compose import PARTS

_NORMS = (nn.LayerNorm, LlamaRMSNorm)
"""Of transformers 4.37's `ALL_LAYERNORM_LAYERS`, those that a LLaVA-1.5 holds."""


class Groups(NamedTuple):
    """The parameter groups of an optimizer, and a group that holds each part which learns."""

    groups: list[dict[str, Any]]
    of_part: dict[str, int]


def parameter_groups(model: nn.Module, stage: Stage) -> Groups:
    """The trained parameters of a model by rate and decay, in the order in which the model names them.

    No bias decays, and no norm. What a norm is, is told by its name or, with `decay_groups: by_class`, by the classes
    that LLaVA's trainer knows (`create_optimizer` in llava/train/llava_trainer.py): for Llama with CLIP both give the
    same, but the norms of Qwen or Mistral decay there.
    """
    # The order stays: a checkpoint's optimizer states belong to parameters by their number.
    rates = {"projector": stage.projector_lr, "vision_tower": stage.vision_tower_lr}
    inside_norms = {
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if isinstance(module, _NORMS)
        for name, _ in module.named_parameters(recurse=False)
    }
    parameters: dict[tuple[float, float], list[nn.Parameter]] = {}
    keys: dict[str, tuple[float, float]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = next((part for part, prefix in PARTS.items() if prefix in f".{name}"), "language_model")
            by_class = stage.decay_groups == "by_class"
            decays = not (
                "bias" in name or name in inside_norms if by_class else name.endswith("bias") or "norm" in name
            )
            keys[part] = (rates.get(part) or stage.lr, stage.weight_decay if decays else 0.0)
            parameters.setdefault(keys[part], []).append(parameter)
    numbers = {key: number for number, key in enumerate(parameters)}
    return Groups(
        groups=[{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in parameters.items()],
        of_part={part: numbers[key] for part, key in keys.items()},
    )
