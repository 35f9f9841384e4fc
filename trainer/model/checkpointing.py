"""Gradient checkpointing: what a layer computes anew in the backward pass, and what it keeps."""

from functools import partial
from typing import Any

from torch import nn
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode

from mix665k.schemas.stage import Stage

PRODUCTS = frozenset({"aten::mm", "aten::addmm"})
COSTLY = PRODUCTS | frozenset(
    {
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
    parts = [model.model.language_model, *([model.model.vision_tower] if "vision_tower" in stage.trains else [])]
    settings: dict[str, Any] = {"use_reentrant": False}
    if stage.gradient_checkpointing == "selective":
        settings["context_fn"] = partial(keep_costly, copied=stage.zero == 3 and any(map(_has_biases, parts)))
    for part in parts:
        enable = getattr(part, "activation_checkpointing_enable", part.gradient_checkpointing_enable)  # its name before
        enable(settings)


def _has_biases(part: nn.Module) -> bool:
    return any(isinstance(layer, nn.Linear) and layer.bias is not None for layer in part.modules())


def keep_costly(*, copied: bool = False) -> tuple[Any, Any]:
    """The contexts of a checkpointed region's forward pass and of its recomputation.

    `copied` keeps products that nobody else holds: ZeRO-3's linear layer adds the bias to a product in place, and would
    find it there already when the layer is computed anew.
    """
    make: Any = checkpoint.create_selective_checkpoint_contexts
    forward, anew = make(lambda *_, **__: checkpoint.CheckpointPolicy.MUST_SAVE)
    return _OnlyCostly(forward, copied=copied), _OnlyCostly(anew, copied=copied)


class _OnlyCostly(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context of torch's selective checkpointing that sees no operation but the costly ones.

    Torch wants each operation it sees in the recomputation to have run in the forward pass, by number. DeepSpeed's
    ZeRO-3 gathers weights within the region, with other copies and views in the one than in the other.
    """

    def __init__(self, context: Any, *, copied: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._context = context
        self._copied = copied

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See TorchDispatchMode."""
        name = func.name().partition(".")[0]
        if name not in COSTLY:
            return func(*args, **(kwargs or {}))
        given = self._context.__torch_dispatch__(func, types, args, kwargs)
        return given.clone() if self._copied and name in PRODUCTS else given
