"""The examples of a mixture, by number."""

from typing import TypedDict

import torch
from torch.utils.data import Dataset

from mix665k.trainer.batching.types import EMPTY
from mix665k.trainer.data.encode import IGNORED, Encoder
from mix665k.trainer.data.images import ImageLoader
from mix665k.trainer.data.mixture import Mixture


class Example(TypedDict):
    """One row, T tokens and N images.

    input_ids     int64    [T]
    labels        int64    [T]  -100 on what is not learned
    pixel_values  float32  [N, 3, H, W], None without image
    bad_image     why its image could not be used, or None
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    pixel_values: torch.Tensor | None
    id: str
    source: str
    index: int
    bad_image: str | None


class MixtureDataset(Dataset[Example]):
    """Encodes a row and loads its image when asked for it; `EMPTY` gives an example without labels.

    So does a row whose image is bad where the loader drops it: it keeps its id and takes part in no loss. `filler_id`
    is the one token of such an example. What cannot be trained on raises, see `Encoder.encode` and `ImageLoader.load`.
    """

    def __init__(self, mixture: Mixture, *, encoder: Encoder, images: ImageLoader, filler_id: int) -> None:
        self._mixture = mixture
        self._encoder = encoder
        self._images = images
        self._filler_id = filler_id

    def __len__(self) -> int:
        return len(self._mixture)

    def __getitem__(self, index: int) -> Example:
        if index == EMPTY:
            return without_labels("", source="", index=EMPTY, filler_id=self._filler_id)
        row = self._mixture[index]
        pixels, fault = None, None
        if row.image is not None:
            pixels, fault = self._images.load(row.image, record=row.id)
            if pixels is None:
                dropped = without_labels(row.id, source=row.source, index=index, filler_id=self._filler_id)
                return {**dropped, "bad_image": fault}
        encoded = self._encoder.encode(row)
        assert encoded.num_images == (row.image is not None), (row.id, encoded.num_images)
        return {
            "input_ids": torch.from_numpy(encoded.input_ids),
            "labels": torch.from_numpy(encoded.labels),
            "pixel_values": None if pixels is None else pixels.unsqueeze(0),
            "id": row.id,
            "source": row.source,
            "index": index,
            "bad_image": fault,
        }


def without_labels(identifier: str, *, source: str, index: int, filler_id: int) -> Example:
    """An example of one token that teaches nothing."""
    return {
        "input_ids": torch.tensor([filler_id]),
        "labels": torch.tensor([IGNORED]),
        "pixel_values": None,
        "id": identifier,
        "source": source,
        "index": index,
        "bad_image": None,
    }
