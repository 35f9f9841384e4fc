"""Low-rank adapters in the language model: added, and merged into the weights."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix665k.schemas.errors import StageError
from mix665k.schemas.stage import Lora, Stage

if TYPE_CHECKING:
    from torch import Tensor

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


def write_adapters(weights: "dict[str, Tensor]", out: Path, *, stage: Stage, start: str) -> None:
    """Write what a stage with adapters learned as peft's `PeftModel` loads it over the model that it started from.

    `weights` are those of a checkpoint. Projector and vision tower, where they learned, are among peft's
    `modules_to_save`: what LLaVA keeps in a `non_lora_trainables.bin` beside the adapters.

    Raises:
        OSError: when the folder cannot be written.
    """
    from peft import LoraConfig
    from safetensors.torch import save_file

    assert stage.lora is not None, stage.name
    parts = {"projector": "multi_modal_projector", "vision_tower": "vision_tower"}
    modules = [parts[part] for part in stage.trains if part in parts]
    prefixes = tuple(f"model.{module}." for module in modules)
    adapted = {name.partition(".lora_")[0] for name in weights if ".lora_" in name}
    config = LoraConfig(
        r=stage.lora.r,
        lora_alpha=stage.lora.alpha,
        lora_dropout=stage.lora.dropout,
        bias="none",
        target_modules="|".join(re.escape(name) for name in sorted(adapted)),
        modules_to_save=modules or None,
        base_model_name_or_path=start,
        inference_mode=True,
    )
    out.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(str(out))
    kept = {
        f"base_model.model.{name.replace('.default.', '.')}": value.contiguous()
        for name, value in weights.items()
        if ".lora_" in name or name.startswith(prefixes)
    }
    save_file(kept, out / "adapter_model.safetensors", metadata={"format": "pt"})


def merge_adapters(model: Any) -> None:
    """Add what the adapters learned to the weights, and remove the adapters."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            layer: Any = module
            layer.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, layer.get_base_layer())
