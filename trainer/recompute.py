"""Gradient checkpointing: what a layer computes anew in the backward pass, and what it keeps."""

from typing import Any

from schemas.stage import Stage

COSTLY = frozenset(
    {
        "aten::mm",
        "aten::addmm",
        "aten::_scaled_dot_product_flash_attention",
        "aten::_scaled_dot_product_flash_attention_for_cpu",
        "aten::_scaled_dot_product_efficient_attention",
        "aten::_scaled_dot_product_cudnn_attention",
        "flash_attn::_flash_attn_forward",
        "flash_attn::_flash_attn_varlen_forward",
        "torch_attn::_varlen_attn",
    }
)
"""Products with weights and fused attention: nearly all of a layer's arithmetic, and two thirds of what it computes."""


def recompute(model: Any, stage: Stage) -> None:
    """Let a model's layers keep less for the backward pass than they compute, as the stage's checkpointing says.

    Not those of a frozen vision tower, which keeps none, nor of the projector and the head, which has few positions.
    `selective` keeps what is costly to compute and computes norms, rotations and activations anew.
    """
    settings: dict[str, Any] = {"use_reentrant": False}
    if stage.gradient_checkpointing == "selective":
        settings["context_fn"] = keep_costly
    parts = [model.model.language_model, *([model.model.vision_tower] if "vision_tower" in stage.trains else [])]
    for part in parts:
        enable = getattr(part, "activation_checkpointing_enable", part.gradient_checkpointing_enable)  # its name before
        enable(settings)


def keep_costly() -> tuple[Any, Any]:
    """The contexts of a checkpointed region's forward pass and of its recomputation."""
    from torch.utils import checkpoint

    make: Any = checkpoint.create_selective_checkpoint_contexts
    forward, anew = make(_policy)
    return forward, anew


def _policy(_: Any, operation: Any, *__: Any, **___: Any) -> Any:
    from torch.utils.checkpoint import CheckpointPolicy

    kept = operation.name().partition(".")[0] in COSTLY
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE
