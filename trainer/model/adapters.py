"""Low-rank adapters in the language model: added, and merged into the weights."""

import re
from typing import Any

from mix665k.schemas.errors import StageError
from mix665k.schemas.stage import Lora

LANGUAGE_MODEL = "model.language_model"


def add_adapters(model: Any, lora: Lora, *, seed: int) -> None:
    """Add adapters to a model in place and freeze what they adapt; new weights are drawn from `seed`.

    The model keeps its class: `get_peft_model` would wrap it, and checkpoints would have other names.

    Raises:
        StageError: when `lora.targets` names no linear layer of the language model.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    learning = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.startswith((f"{LANGUAGE_MODEL}.", "lm_head."))
    ]
    # One expression of complete names: of a list peft would adapt whatever ends like one of them, in the tower too.
    names = "|".join(re.escape(f"{LANGUAGE_MODEL}.{name}") for name in adapted_layers(model, lora))
    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, bias="none", target_modules=names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    for parameter in learning:  # peft freezes everything but its adapters
        parameter.requires_grad_(True)


def adapted_layers(model: Any, lora: Lora) -> list[str]:
    """The names below the language model of the linear layers that get adapters: all, or those of `lora.targets`.

    Not the head, as in LLaVA's `find_all_linear_names`, nor experts, whose weights transformers keeps in one tensor for
    all of them and not in linear layers.

    Raises:
        StageError: when one of the targets names no layer.
    """
    from torch import nn

    named = model.get_submodule(LANGUAGE_MODEL).named_modules()
    layers = [name for name, module in named if isinstance(module, nn.Linear)]
    if lora.targets is None:
        return layers
    chosen: set[str] = set()
    for target in lora.targets:
        try:
            found = [name for name in layers if re.search(rf"(^|\.)(?:{target})$", name)]
        except re.error as error:
            raise StageError(f"lora.targets: {target!r}: no regular expression: {error}") from None
        if not found:
            known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
            raise StageError(f"lora.targets: {target!r}: no linear layer's name ends so, expected some of {known}")
        chosen.update(found)
    return [name for name in layers if name in chosen]


def merge_adapters(model: Any) -> None:
    """Add what the adapters learned to the weights, and remove the adapters."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            layer: Any = module
            layer.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, layer.get_base_layer())
