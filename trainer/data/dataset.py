"""The examples of a mixture, by row number."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import torch
from torch.utils.data import Dataset

from mix665k.trainer.batching.types import EMPTY
from mix665k.trainer.data.encode import IGNORED, Encoder
from mix665k.trainer.data.images import ImageLoader
from mix665k.trainer.data.mixture import Mixture


class Example(TypedDict):
    """One row of T tokens and N images.

    input_ids     int64    [T]           with the image as its placeholders
    labels        int64    [T]           -100 on what is not learned; not shifted, `collate` shifts
    pixel_values  float32  [N, 3, H, W]  in reading order; None without an image
    pictures      a name for each image, the same for the same picture
    index         the number of the row, `EMPTY` for an example that fills a micro-batch
    bad_image     why its image could not be used, or None
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    pixel_values: torch.Tensor | None
    pictures: list[str]
    id: str
    source: str
    index: int
    bad_image: str | None


class MixtureDataset(Dataset[Example]):
    """Encodes a row and loads its image when it is asked for; the index `EMPTY` gives an example without labels.

    A row whose bad image the loader drops has no labels either, but keeps its id. The only token of an example without
    labels is `filler_id`. `aliases` gives the name of a picture that is known by other paths too. Indexing raises what
    `Encoder.encode` and `ImageLoader.load` raise.
    """

    def __init__(
        self,
        mixture: Mixture,
        *,
        encoder: Encoder,
        images: ImageLoader,
        filler_id: int,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._mixture = mixture
        self._aliases = aliases or {}
        self._encoder = encoder
        self._images = images
        self._filler_id = filler_id

    def __len__(self) -> int:
        return len(self._mixture)

    def __getitem__(self, index: int) -> Example:
        return self._example(index, {})

    def __getitems__(self, indices: Sequence[int]) -> list[Example]:
        """The examples of a micro-batch, as torch's loader asks for them; a picture of several is decoded once."""
        decoded: dict[str, torch.Tensor] = {}
        return [self._example(index, decoded) for index in indices]

    def _example(self, index: int, decoded: dict[str, torch.Tensor]) -> Example:
        if index == EMPTY:
            return without_labels("", source="", index=EMPTY, filler_id=self._filler_id)
        row = self._mixture[index]
        pixels: list[torch.Tensor] = []
        faults: list[str] = []
        pictures = [self._aliases.get(name, name) for name in row.images]
        for name, picture in zip(row.images, pictures, strict=True):
            found, fault = decoded.get(picture), None
            if found is None:
                found, fault = self._images.load(name, record=row.id)
            if fault is not None:  # each record says what is wrong with its images
                faults.append(fault)
            elif found is not None:
                decoded[picture] = found
            if found is None:
                unlabelled = without_labels(row.id, source=row.source, index=index, filler_id=self._filler_id)
                return {**unlabelled, "bad_image": fault}
            pixels.append(found)
        encoded = self._encoder.encode(row)
        assert encoded.num_images == len(pictures), (row.id, encoded.num_images)
        return {
            "input_ids": torch.from_numpy(encoded.input_ids),
            "labels": torch.from_numpy(encoded.labels),
            "pixel_values": torch.stack(pixels) if pixels else None,
            "pictures": pictures,
            "id": row.id,
            "source": row.source,
            "index": index,
            "bad_image": "; ".join(faults) or None,
        }


def without_labels(identifier: str, *, source: str, index: int, filler_id: int) -> Example:
    """An example of one token and no label."""
    return {
        "input_ids": torch.tensor([filler_id]),
        "labels": torch.tensor([IGNORED]),
        "pixel_values": None,
        "pictures": [],
        "id": identifier,
        "source": source,
        "index": index,
        "bad_image": None,
    }
