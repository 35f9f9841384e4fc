"""From examples to the tensors of a micro-batch."""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch.nn.utils.rnn import pad_sequence

from trainer.batches import EMPTY
from trainer.dataset import Example, without_labels
from trainer.encode import IGNORED


class Batch(TypedDict):
    """B examples, T tokens of the longest; see `collate`. The lists hold one value per example."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    attention_mask: torch.Tensor
    pixel_values: torch.Tensor
    ids: list[str]
    sources: list[str]
    bad_images: list[str]


def collate(
    examples: Sequence[Example], *, pad_id: int, image_token_id: int, tokens_per_image: int, image_px: int
) -> Batch:
    """Pad to the longest example of the batch, on the right.

    B examples, T tokens of the longest:
        input_ids       int64    [B, T]
        labels          int64    [B, T]            -100 on prompts and padding; not shifted, the model shifts
        attention_mask  int64    [B, T]            0 on padding
        pixel_values    float32  [N, 3, 336, 336]  one per image placeholder run, in reading order
        bad_images      one text per image that could not be used

    A batch without images gets a blank one, whose placeholders stand in the padding: attended by nothing and without
    labels, it changes no loss and gives the projector a gradient of exactly 0, but all ranks run the same graph and
    none waits for another's gradients. For the same reason a batch of no example is one example without labels.
    """
    if not examples:
        examples = [without_labels("", source="", index=EMPTY, filler_id=pad_id)]
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])
    input_ids = pad_sequence([e["input_ids"] for e in examples], batch_first=True, padding_value=pad_id)
    images = [e["pixel_values"] for e in examples if e["pixel_values"] is not None]
    if not images:
        input_ids = _with_placeholders(input_ids, lengths, pad_id=pad_id, token=image_token_id, count=tokens_per_image)
        images = [torch.zeros(1, 3, image_px, image_px)]
    labels = torch.full_like(input_ids, IGNORED)
    for row, example in zip(labels, examples, strict=True):
        row[: len(example["labels"])] = example["labels"]
    return {
        "input_ids": input_ids,
        "labels": labels,
        "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
        "pixel_values": torch.cat(images),
        "ids": [example["id"] for example in examples],
        "sources": [example["source"] for example in examples],
        "bad_images": [example["bad_image"] for example in examples if example["bad_image"]],
    }


def _with_placeholders(
    input_ids: torch.Tensor, lengths: torch.Tensor, *, pad_id: int, token: int, count: int
) -> torch.Tensor:
    """The batch with `count` placeholders in its padding, which is widened by as little as needed.

    A model puts image features in the places of placeholders in reading order, so that an image may go over rows.
    """
    num_rows, width = input_ids.shape
    missing = count - int((width - lengths).sum())
    wider = width + max(0, -(-missing // num_rows))
    widened = torch.nn.functional.pad(input_ids, (0, wider - width), value=pad_id)
    padding = (torch.arange(wider) >= lengths[:, None]).flatten().nonzero().flatten()
    widened.view(-1)[padding[:count]] = token
    return widened
