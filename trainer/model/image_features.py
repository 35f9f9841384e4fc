"""Image features in the places of their placeholders."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class ImagePlaces:
    """Lets a model put image features into known places of its rows, whatever wraps the model.

    Left to itself transformers finds them by a mask that it counts, in the forward pass and for the gradient: each time
    the device is waited for. Here they follow the embedding of the tokens, in the model's own forward, so that
    gradients are synchronised and partitioned weights gathered as ever.
    """

    def __init__(self, model: nn.Module) -> None:
        llava: Any = model
        self._features = llava.model.get_image_features
        self._given: tuple[torch.Tensor, torch.Tensor] | None = None
        llava.get_input_embeddings().register_forward_hook(self._put)

    @contextmanager
    def at(self, pixel_values: torch.Tensor, places: torch.Tensor) -> Iterator[None]:
        """Meanwhile the model, which must get no `pixel_values` itself, sees these images.

        pixel_values  [N, 3, H, W]
        places        int64 [N x tokens of an image], counted over all rows of [B, T], in reading order
        """
        self._given = pixel_values, places
        try:
            yield
        finally:
            self._given = None

    def _put(self, embed: nn.Module, inputs: tuple[torch.Tensor], embedded: torch.Tensor) -> torch.Tensor | None:
        if self._given is None:
            return None
        pixel_values, places = self._given
        features = torch.cat(list(self._features(pixel_values=pixel_values, return_dict=True).pooler_output))
        return embedded.flatten(0, 1).index_copy(0, places, features.to(embedded.dtype)).view_as(embedded)
