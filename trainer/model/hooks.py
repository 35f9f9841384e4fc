"""Hooks that tell a model where its images go and where its head runs, whatever wraps the model.

They act inside the model's own forward pass: DDP synchronises gradients, ZeRO-3 gathers partitioned weights and
adapters apply as for any model. A forward method of our own would not be the one that those wrapped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn


class LabelledHead:
    """Runs the head of a model at chosen positions only.

    The logits of a micro-batch are its largest tensor, and few positions have labels.
    """

    def __init__(self, model: nn.Module) -> None:
        head: Any = model
        self._positions: torch.Tensor | None = None
        head.get_output_embeddings().register_forward_pre_hook(self._select)

    @contextmanager
    def at(self, positions: torch.Tensor) -> Iterator[None]:
        """Within this context the model computes logits [n, V] at `positions` only.

        positions  int64 [n], counted over all rows of [B, T]
        """
        self._positions = positions
        try:
            yield
        finally:
            self._positions = None

    def _select(self, head: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        if self._positions is None:
            return None
        [hidden] = inputs
        return (hidden.flatten(0, 1).index_select(0, self._positions),)


class ImageFeatures:
    """Puts image features into known positions of a model's rows, from a hook on its token embedding.

    Transformers finds the positions by a mask that it counts, in the forward pass and for the gradient. Each count
    waits for the device.
    """

    def __init__(self, model: nn.Module) -> None:
        llava: Any = model
        self._features = llava.model.get_image_features
        self._images: tuple[torch.Tensor, torch.Tensor] | None = None
        llava.get_input_embeddings().register_forward_hook(self._insert)

    @contextmanager
    def at(self, pixel_values: torch.Tensor, positions: torch.Tensor) -> Iterator[None]:
        """Within this context the model sees these images; it must be called without `pixel_values`.

        pixel_values  float [N, 3, H, W]
        positions     int64 [N x tokens of an image], counted over all rows of [B, T], in reading order
        """
        self._images = pixel_values, positions
        try:
            yield
        finally:
            self._images = None

    def _insert(self, embed: nn.Module, inputs: tuple[torch.Tensor], embedded: torch.Tensor) -> torch.Tensor | None:
        if self._images is None:
            return None
        pixel_values, positions = self._images
        features = torch.cat(list(self._features(pixel_values=pixel_values, return_dict=True).pooler_output))
        return embedded.flatten(0, 1).index_copy(0, positions, features.to(embedded.dtype)).view_as(embedded)


class Routers:
    """Keeps what the routers of a mixture of experts give, for the loss that spreads tokens over experts.

    `LlavaForConditionalGeneration` drops the router logits that its language model can return.
    """

    def __init__(self, model: nn.Module) -> None:
        llava: Any = model
        self._passed: int = llava.config.text_config.num_experts_per_tok
        self._logits: list[torch.Tensor] = []
        self._is_recording = False
        for router, index in routers_of(llava.model.language_model):
            router.register_forward_hook(partial(self._keep, index=index))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within this context the routers' logits are kept; a backward pass outside recomputes layers unseen."""
        self._logits = []
        self._is_recording = True
        try:
            yield
        finally:
            self._is_recording = False

    def loss(self, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """How unevenly the last pass spread tokens over experts; at its least, the number of experts that a token has.

        Experts times the sum over them of their share of tokens and their mean probability (Fedus et al. 2021,
        equations 4 to 6), over all layers together as transformers has it.

        attention_mask  [B, T], how often each token counts: 0 at padding
        """
        from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

        num_experts = self._logits[0].shape[-1]
        balance: Any = load_balancing_loss_func
        found: torch.Tensor = balance(
            tuple(self._logits), num_experts, top_k=self._passed, attention_mask=attention_mask
        )
        return found

    def _keep(self, router: nn.Module, inputs: Any, output: Any, *, index: int) -> None:
        if self._is_recording:
            self._logits.append(output[index] if isinstance(output, tuple) else output)


def routers_of(language_model: nn.Module) -> list[tuple[nn.Module, int]]:
    """The routers of a language model's experts and where their logits are in what they give; none of a dense one."""
    recorder = (getattr(language_model, "_can_record_outputs", None) or {}).get("router_logits")
    if recorder is None:
        return []
    routers = [module for module in language_model.modules() if isinstance(module, recorder.target_class)]
    return [(router, recorder.index) for router in routers]
