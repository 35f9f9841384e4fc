"""A model as a stage trains it: which parts learn, in which precision, and what is kept for the backward pass."""

from functools import partial
from pathlib import Path
from typing import Any

from mix665k.schemas.errors import StageError
from mix665k.schemas.stage import Stage
from mix665k.trainer.model.activation_checkpointing import recompute
from mix665k.trainer.model.adapters import add_adapters
from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.model.loading import load
from mix665k.trainer.model.quantized import quantization
from mix665k.trainer.model.tower import without_gradient


def load_model(start: Path, stage: Stage) -> Any:
    """The model in a folder, made ready for a stage; see `make_trainable`.

    Raises:
        ModelError: when the folder holds no LLaVA model, or the stage's attention is not available.
    """
    import torch
    from transformers import AutoConfig, LlavaForConditionalGeneration

    from mix665k.trainer.model.attention_needs import choose

    kind: Any = LlavaForConditionalGeneration
    config = load(AutoConfig.from_pretrained, str(start), "a LLaVA model's configuration")
    attention = choose(stage, config.text_config)
    model = load(
        partial(
            kind.from_pretrained,
            dtype=torch.bfloat16 if stage.bf16 else torch.float32,
            quantization_config=quantization(stage),
            attn_implementation={"text_config": attention, "vision_config": "sdpa"},
        ),
        str(start),
        f"a LLaVA model with attention {attention}",
    )
    return make_trainable(model, stage)


def outline(config: Any, stage: Stage) -> Any:
    """The model of a configuration as a stage trains it, on the meta device: every parameter, and not one value.

    Raises:
        StageError: when the stage's adapters fit no layer, or it weights the loss of routers and there are none.
    """
    import torch
    from transformers import LlavaForConditionalGeneration

    from mix665k.trainer.model.hooks import routers_of

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    if stage.router_loss and not routers_of(model.model.language_model):
        raise StageError(f"router_loss {stage.router_loss}: the language model has no experts; leave it out")
    freeze(model, stage)
    if stage.lora is not None:
        with torch.device("meta"):  # peft would draw adapters' weights on the CPU: seconds at 7B
            add_adapters(model, stage.lora, seed=stage.seed)
    return model


def make_trainable(model: Any, stage: Stage) -> Any:
    """Set a model up for a stage, in place: unfrozen parts, adapters, precision, activation checkpointing."""
    model.config.text_config.use_cache = model.config.use_cache = False
    freeze(model, stage)
    if stage.lora is not None:
        add_adapters(model, stage.lora, seed=stage.seed)
        model._hf_peft_config_loaded = stage.lora.bits is not None  # or Trainer refuses quantised models
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

    Of the vision tower only what features come through is unfrozen: the rest gets no gradient, which DDP reports as an
    error. Of a linear projector only its first layer is.
    """
    prefixes = tuple(PARTS[part] for part in stage.trains)
    if "language_model" in stage.trains:
        prefixes += ("lm_head.",)
    unused: set[str] = set()
    if "vision_tower" in stage.trains:
        names = without_gradient(model.config.vision_config, model.config.vision_feature_layer)
        unused = {PARTS["vision_tower"] + name for name in names}
    if model.config.projector_hidden_act == "linear":  # the second layer is the identity
        unused |= {f"{PARTS['projector']}linear_2.{kind}" for kind in ("weight", "bias")}
    for name, parameter in model.named_parameters():
        quantized = not parameter.is_floating_point()
        parameter.requires_grad_(name.startswith(prefixes) and name not in unused and not quantized)
