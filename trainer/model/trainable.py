"""A model as a stage trains it: which parts learn, in which precision, and what is kept for the backward pass."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from mix665k.schemas.stage import Stage
from mix665k.trainer.model.activation_checkpointing import recompute
from mix665k.trainer.model.adapters import add_adapters
from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.model.loading import load


def load_model(start: Path, stage: Stage) -> Any:
    """The model in a folder, made ready for a stage; see `make_trainable`.

    Raises:
        ModelError: when the folder holds no LLaVA model, or the stage's attention is not available.
    """
    import torch
    from transformers import LlavaForConditionalGeneration

    from mix665k.trainer.model.attention import choose

    kind: Any = LlavaForConditionalGeneration
    model = load(
        partial(
            kind.from_pretrained,
            dtype=torch.bfloat16 if stage.bf16 else torch.float32,
            attn_implementation={"text_config": choose(stage), "vision_config": "sdpa"},
        ),
        str(start),
        f"a LLaVA model with attention {choose(stage)}",
    )
    return make_trainable(model, stage)


def make_trainable(model: Any, stage: Stage) -> Any:
    """Set a model up for a stage, in place: unfrozen parts, adapters, precision, activation checkpointing."""
    model.config.text_config.use_cache = model.config.use_cache = False
    freeze(model, stage)
    if stage.lora is not None:
        add_adapters(model, stage.lora, seed=stage.seed)
    if stage.zero == 0:
        # DeepSpeed keeps a float32 copy of what learns. Without it the weights themselves must be float32: in bfloat16
        # a projector at a learning rate of 2e-5 hardly moved, as most steps are under half the distance to the next
        # number and are rounded away.
        for parameter in model.parameters():
            parameter.data = parameter.data.float() if parameter.requires_grad else parameter.data
    if stage.gradient_checkpointing:
        recompute(model, stage)
    return model


def freeze(model: Any, stage: Stage) -> None:
    """Unfreeze the parts that the stage trains, and freeze the others.

    Of the vision tower only the layers up to the one that features are taken from are unfrozen: the later ones get no
    gradient, which DDP reports as an error.
    """
    prefixes = tuple(PARTS[part] for part in stage.trains)
    if "language_model" in stage.trains:
        prefixes += ("lm_head.",)
    unused = _unused_layers(model.config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefixes) and not unused.search(name))


def _unused_layers(config: Any) -> re.Pattern[str]:
    """The parameter names of the vision tower's layers after the one that features are taken from."""
    num_layers = config.vision_config.num_hidden_layers
    chosen = config.vision_feature_layer
    states = range(num_layers + 1)  # what goes into each layer, and what comes out of the last
    last = max(states[index] for index in ([chosen] if isinstance(chosen, int) else chosen))
    layers = "|".join(str(layer) for layer in range(last, num_layers))
    later = rf"|encoder\.layers\.({layers})\." if layers else ""
    return re.compile(rf"vision_tower\.(.*\.)?(post_layernorm\.{later})")
