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
    forward, anew = make(lambda *_, **__: checkpoint.CheckpointPolicy.MUST_SAVE)
    return _only_costly(forward), _only_costly(anew)


def _only_costly(context: Any) -> Any:
    """A context of torch's selective checkpointing that sees no operation but the costly ones.

    Torch wants each operation it sees in the recomputation to have run in the forward pass, by number. DeepSpeed's
    ZeRO-3 gathers weights within the region, with other copies and views in the one than in the other.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    class OnlyCostly(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.name().partition(".")[0] in COSTLY:
                return context.__torch_dispatch__(func, types, args, kwargs)
            return func(*args, **(kwargs or {}))

    return OnlyCostly()  # type: ignore[no-untyped-call]
