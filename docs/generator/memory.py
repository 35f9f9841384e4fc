"""What `train check` would estimate for the real model, whose weights are not needed for it."""

from typing import Any, NamedTuple

from docs.generator.tables import table
from mix665k.schemas.stage import Stage
from mix665k.schemas.tokens import TOKENS_PER_IMAGE
from mix665k.trainer.run.stage_files import load_stage

_CAPTION = 64
"""Tokens."""


class Setting(NamedTuple):
    """A stage with overrides on so many ranks."""

    what: str
    stage: str
    overrides: tuple[str, ...]
    ranks: int


SETTINGS = (
    Setting("stage 1, one GPU", "pretrain", (), 1),
    Setting("stage 1, eight GPUs", "pretrain", (), 8),
    Setting("stage 2, one GPU", "finetune", ("per_device_batch=1",), 1),
    Setting("stage 2, one GPU, LoRA", "finetune", ("zero=0", "lora.r=128", "per_device_batch=8"), 1),
    Setting(
        "stage 2, one GPU, LoRA",
        "finetune",
        ("zero=0", "lora.r=128", "per_device_batch=4", "gradient_checkpointing=selective"),
        1,
    ),
    Setting("stage 2, one GPU, LoRA", "finetune", ("zero=0", "lora.r=128", "per_device_batch=4"), 1),
    Setting("stage 2, one GPU, LoRA", "finetune", ("zero=0", "lora.r=128", "per_device_batch=1"), 1),
    Setting("stage 2, eight GPUs", "finetune", (), 8),
    Setting("stage 2, eight GPUs", "finetune", ("per_device_batch=8", "gradient_checkpointing=selective"), 8),
    Setting("stage 2, eight GPUs", "finetune", ("per_device_batch=4",), 8),
    Setting("stage 2, two machines of eight", "finetune", ("per_device_batch=8",), 16),
)


def memory_table() -> str:
    """Gigabytes on each rank for LLaVA-1.5 7B in several settings."""
    from mix665k.trainer.model.cost import estimate
    from mix665k.trainer.model.trainable import outline

    config = seven_billion()
    rows = []
    for setting in SETTINGS:
        stage = load_stage(setting.stage, setting.overrides)
        tokens, labels = _full_batch(stage)
        found = estimate(outline(config, stage), stage, ranks=setting.ranks, tokens=tokens, labels=labels)
        sets = " ".join(f"`{override}`" for override in setting.overrides)
        rows.append([setting.what, sets, *(f"{value / 1e9:,.1f}" for value in found), f"**{found.total / 1e9:,.0f}**"])
    return table(["7B", "`--set`", "weights", "gradients", "optimizer", "activations", "GB on each rank"], rows)


def _full_batch(stage: Stage) -> tuple[int, int]:
    """Tokens and labels of a large micro-batch: captioned images in stage 1, whole rows in stage 2, half learned."""
    if stage.trains == ["projector"]:
        return stage.per_device_batch * (TOKENS_PER_IMAGE + _CAPTION), stage.per_device_batch * _CAPTION
    return stage.per_device_batch * stage.max_tokens, stage.per_device_batch * stage.max_tokens // 2


def seven_billion() -> Any:
    """The shapes of Vicuna 7B and of CLIP ViT-L/14 at 336 pixels, as their configurations give them."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    text = LlamaConfig(vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32)
    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
    )
    return LlavaConfig(vision_config=vision, text_config=text)
