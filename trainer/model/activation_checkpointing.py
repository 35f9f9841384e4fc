"""Activation checkpointing: what a layer keeps for the backward pass, and what it recomputes there."""

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
"""Products with weights and fused attention: nearly all of a layer's arithmetic, and two thirds of its outputs."""


def recompute(model: Any, stage: Stage) -> None:
    """Make the layers of a model recompute activations in the backward pass, as `stage.gradient_checkpointing` says.

    `true` keeps the input of each layer alone. `selective` keeps the outputs of what is costly too, and recomputes only
    norms, rotations and activation functions.
    """
    # Not the projector, which few tokens pass, nor the head, which runs at labels only, nor a frozen vision tower,
    # which keeps nothing: recomputing those costs time and saves next to no memory.
    parts = [model.model.language_model, *([model.model.vision_tower] if "vision_tower" in stage.trains else [])]
    settings: dict[str, Any] = {"use_reentrant": False}
    if stage.gradient_checkpointing == "selective":
        linear = [layer for part in parts for layer in part.modules() if isinstance(layer, nn.Linear)]
        has_biases = any(layer.bias is not None for layer in linear)
        settings["context_fn"] = partial(keep_costly, copied=stage.zero == 3 and has_biases)
    for part in parts:
        enable = getattr(part, "activation_checkpointing_enable", part.gradient_checkpointing_enable)  # its former name
        enable(settings)


def keep_costly(*, copied: bool = False) -> tuple[Any, Any]:
    """The contexts of a checkpointed region's forward pass and of its recomputation: torch's `context_fn`.

    With `copied` each product is kept as a copy. ZeRO-3's linear layer adds the bias to a product in place: without a
    copy the recomputed layer would have it twice.
    """
    make: Any = checkpoint.create_selective_checkpoint_contexts
    forward, recomputation = make(lambda *_, **__: checkpoint.CheckpointPolicy.MUST_SAVE)
    return _OnlyCostly(forward, copied=copied), _OnlyCostly(recomputation, copied=copied)


class _OnlyCostly(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context of torch's selective checkpointing that sees the costly operations only.

    Torch requires each operation that it sees in the recomputation to be the one of the same number in the forward
    pass. ZeRO-3 gathers weights within the region, with other copies and views in one pass than in the other: a resumed
    run with torch's plain contexts fails in its first step.
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
        given = self._context.__torch_dispatch__(func, types, args=args, kwargs=kwargs)
        return given.clone() if self._copied and name in PRODUCTS else given
