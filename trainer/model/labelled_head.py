"""A head that runs where there are labels."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class LabelledHead:
    """Lets the head of a model run on chosen positions only, whatever wraps the model.

    The logits of a micro-batch are its largest tensor, and few positions have labels: the others are left out before
    the head, in the model's own forward, so that gradients are synchronised and partitioned weights gathered as ever.
    """

    def __init__(self, model: nn.Module) -> None:
        head: Any = model
        self._places: torch.Tensor | None = None
        head.get_output_embeddings().register_forward_pre_hook(self._select)

    @contextmanager
    def at(self, places: torch.Tensor) -> Iterator[None]:
        """Meanwhile the model gives logits [n, V] for `places`, int64 [n], counted over all rows of [B, T]."""
        self._places = places
        try:
            yield
        finally:
            self._places = None

    def _select(self, head: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        if self._places is None:
            return None
        [hidden] = inputs
        return (hidden.flatten(0, 1).index_select(0, self._places),)
