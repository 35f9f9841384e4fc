"""Hooks that tell a model where its images go and where its head runs, whatever wraps the model.

They act inside the model's own forward pass: DDP synchronises gradients, ZeRO-3 gathers partitioned weights and
adapters apply as for any model. A forward method of our own would not be the one that those wrapped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
