"""From examples to the tensors of a micro-batch."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, TypedDict

import torch
from torch.nn.utils.rnn import pad_sequence

from mix665k.trainer.batching.types import EMPTY, Mode
from mix665k.trainer.data.dataset import Example, without_labels
from mix665k.trainer.data.encode import IGNORED


class Placeholders(NamedTuple):
    """What stands for an image in a row, and what fills the rest of one."""

    pad_id: int
    image_token_id: int
    tokens_per_image: int
    image_px: int


class Batch(TypedDict):
    """B rows of T tokens with E examples; every number that the loop needs of them, so that it never asks the device.

    input_ids     int64    [B, T]
    labels        int64    [B, T]             -100 on prompts and padding; not shifted
    pixel_values  float32  [N, 3, 336, 336]   one per image placeholder run, in reading order
    image_places  int64    [N x 576]          in B x T, the placeholders, in reading order
    places        int64    [n]                in B x T, what comes before each token with a label: the head runs there
    targets       int64    [n]                the labels that are learned there
    owners        int64    [n]                whose label it is, of the E examples
    num_labels    how many of them each example has
    num_tokens    tokens of examples, of the B x T places
    bad_images    one text per image that could not be used

    attention_mask  int64 [B, T], 0 on padding: where each example has its row
    The others of transformers' names, `cu_seq_lens_q` int32 [segments + 1]: where one row has all examples.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    pixel_values: torch.Tensor
    image_places: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    num_labels: list[int]
    num_tokens: int
    ids: list[str]
    sources: list[str]
    bad_images: list[str]
    attention_mask: NotRequired[torch.Tensor]
    position_ids: NotRequired[torch.Tensor]
    cu_seq_lens_q: NotRequired[torch.Tensor]
    cu_seq_lens_k: NotRequired[torch.Tensor]
    max_length_q: NotRequired[int]
    max_length_k: NotRequired[int]


def collate(examples: Sequence[Example], *, mode: Mode, placeholders: Placeholders) -> Batch:
    """The micro-batch of some examples in a stage's `batching`.

    A batch without images gets a blank one whose placeholders nothing attends to and that have no labels: it changes no
    loss and gives the projector a gradient of exactly 0, but all ranks run the same graph and none waits for another's
    gradients. For the same reason a batch of no example is one example without labels.
    """
    if not examples:
        examples = [without_labels("", source="", index=EMPTY, filler_id=placeholders.pad_id)]
    return (_concatenated if mode == "padding_free" else _padded)(examples, placeholders)


def _padded(examples: Sequence[Example], placeholders: Placeholders) -> Batch:
    """A row for each example, padded on the right to the longest."""
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])
    input_ids = pad_sequence(
        [example["input_ids"] for example in examples], batch_first=True, padding_value=placeholders.pad_id
    )
    if not _pixels(examples):
        input_ids = _with_placeholders(input_ids, lengths, placeholders)
    labels = torch.full_like(input_ids, IGNORED)
    for row, example in zip(labels, examples, strict=True):
        row[1 : len(example["labels"])] = example["labels"][1:]
    owners = torch.arange(len(examples))[:, None].expand_as(labels)
    return {
        **_batch(examples, input_ids=input_ids, labels=labels, owners=owners, placeholders=placeholders),
        "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
    }


def _concatenated(examples: Sequence[Example], placeholders: Placeholders) -> Batch:
    """One row of all examples, one behind the other, each a segment; a blank image is a segment of its own."""
    segments = [example["input_ids"] for example in examples]
    labels = [torch.cat([torch.tensor([IGNORED]), example["labels"][1:]]) for example in examples]
    if not _pixels(examples):
        segments.append(torch.full((placeholders.tokens_per_image,), placeholders.image_token_id))
        labels.append(torch.full((placeholders.tokens_per_image,), IGNORED))
    lengths = torch.tensor([len(segment) for segment in segments])
    starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int()
    longest = int(lengths.max())
    owners = torch.arange(len(segments)).repeat_interleave(lengths)[None]
    row = torch.cat(segments)[None]
    return {
        **_batch(examples, input_ids=row, labels=torch.cat(labels)[None], owners=owners, placeholders=placeholders),
        "position_ids": torch.cat([torch.arange(length) for length in lengths.tolist()])[None],
        "cu_seq_lens_q": starts,
        "cu_seq_lens_k": starts,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def _batch(
    examples: Sequence[Example],
    *,
    input_ids: torch.Tensor,
    labels: torch.Tensor,
    owners: torch.Tensor,
    placeholders: Placeholders,
) -> Batch:
    """What both modes have in common; `owners` [B, T] says of which example a token is."""
    rows, columns = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
    mine = owners[rows, columns]
    side = placeholders.image_px
    return {
        "input_ids": input_ids,
        "labels": labels,
        "pixel_values": torch.cat(_pixels(examples) or [torch.zeros(1, 3, side, side)]),
        "image_places": (input_ids.flatten() == placeholders.image_token_id).nonzero().flatten(),
        "places": rows * labels.shape[1] + columns,
        "targets": labels[rows, columns + 1],
        "owners": mine,
        "num_labels": mine.bincount(minlength=len(examples)).tolist(),
        "num_tokens": sum(len(example["input_ids"]) for example in examples),
        "ids": [example["id"] for example in examples],
        "sources": [example["source"] for example in examples],
        "bad_images": [example["bad_image"] for example in examples if example["bad_image"]],
    }


def _pixels(examples: Sequence[Example]) -> list[torch.Tensor]:
    return [example["pixel_values"] for example in examples if example["pixel_values"] is not None]


def _with_placeholders(input_ids: torch.Tensor, lengths: torch.Tensor, placeholders: Placeholders) -> torch.Tensor:
    """The batch with a blank image's placeholders in its padding, which is widened by as little as needed.

    A model puts image features in the places of placeholders in reading order, so that an image may go over rows.
    """
    num_rows, width = input_ids.shape
    count = placeholders.tokens_per_image
    missing = count - int((width - lengths).sum())
    wider = width + max(0, -(-missing // num_rows))
    widened = torch.nn.functional.pad(input_ids, (0, wider - width), value=placeholders.pad_id)
    padding = (torch.arange(wider) >= lengths[:, None]).flatten().nonzero().flatten()
    widened.view(-1)[padding[:count]] = placeholders.image_token_id
    return widened
