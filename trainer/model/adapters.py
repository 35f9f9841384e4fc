"""Low-rank adapters in the language model: added, and merged into the weights."""

from typing import Any

from mix665k.schemas.stage import Lora

TARGETS = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""The linear layers of the language model, as LLaVA's `find_all_linear_names`; not tower, projector or head."""


def add_adapters(model: Any, lora: Lora, *, seed: int) -> None:
    """Add adapters to a model in place and freeze what they adapt; new weights are drawn from `seed`.

    The model keeps its class: `get_peft_model` would wrap it, and checkpoints would have other names.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    learning = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.startswith(("model.language_model.", "lm_head."))
    ]
    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, bias="none", target_modules=TARGETS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    for parameter in learning:  # peft freezes everything but its adapters
        parameter.requires_grad_(True)


def merge_adapters(model: Any) -> None:
    """Add what the adapters learned to the weights, and remove the adapters."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            layer: Any = module
            layer.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, layer.get_base_layer())
