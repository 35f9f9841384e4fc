"""From examples to the tensors of a micro-batch."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, TypedDict

import torch
from torch.nn.utils.rnn import pad_sequence

from mix665k.trainer.batching.types import EMPTY, Mode
from mix665k.trainer.data.dataset import Example, without_labels
from mix665k.trainer.data.encode import IGNORED
from mix665k.trainer.data.tree_rows import Tree, lay_out
from mix665k.trainer.data.trees import common_beginning


class Placeholders(NamedTuple):
    """The tokens that stand for an image, the token that pads, and the size of a blank image."""

    pad_id: int
    image_token_id: int
    tokens_per_image: int
    """The features of one image; 576 for LLaVA-1.5's vision tower."""
    image_px: int
    """The side of an image as the vision tower takes it; 336 for LLaVA-1.5's."""


class Batch(TypedDict):
    """B rows of T tokens with E examples, N images of P placeholders each, and n labels.

    input_ids        int64    [B, T]
    labels           int64    [B, T]         -100 on prompts, padding and the first token of each example; not shifted;
                                             with `shared_images` [1, tokens of all examples], one after the other
    pixel_values     float32  [N, 3, H, W]   one per run of placeholders, in reading order
    image_positions  int64    [N x P]        the placeholders, counted over B x T, in reading order
    label_positions  int64    [n]            the token before each one with a label, counted over B x T: the head runs
                                             there
    targets          int64    [n]            the label that is predicted there: shifted against `input_ids` by one
    example_index    int64    [n]            the example that the label belongs to, of 0 to E - 1
    num_labels       [E]                     how many labels each example has
    num_tokens       how many of the B x T tokens belong to examples, neither padding nor a blank image
    bad_images       one text per image that could not be used

    `grouped` has a row for each example, and
    attention_mask   int64    [B, T]         0 on padding

    `padding_free` has one row (B = 1) of segments, an example each, and under transformers' names
    position_ids     int64    [1, T]         from 0 in each segment
    cu_seq_lens_q/k  int32    [segments + 1] where each segment begins, and T
    max_length_q/k   int                     the longest segment

    `shared_images` has one row of trees, see `TreeRow`: examples of the same picture, whose common beginning is there
    once, with its picture. Positions, segments and keys are a `TreeRow`'s, and
    key_positions    int64    [keys]         which token each key is of, in the order of `cu_seq_lens_k`
    shared_by        int64    [1, T]         how many examples each token belongs to
    """

    # The loop needs all these numbers on the host. Counting labels or placeholders in the tensors, as transformers
    # does, waits for the device in every micro-batch, forward and backward; so they are counted here, by the workers.

    input_ids: torch.Tensor
    labels: torch.Tensor
    pixel_values: torch.Tensor
    image_positions: torch.Tensor
    label_positions: torch.Tensor
    targets: torch.Tensor
    example_index: torch.Tensor
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
    key_positions: NotRequired[torch.Tensor]
    shared_by: NotRequired[torch.Tensor]


def collate(examples: Sequence[Example], *, mode: Mode, placeholders: Placeholders) -> Batch:
    """The micro-batch of some examples in a stage's `batching`.

    A batch without images gets a blank one. Its placeholders have no labels and nothing attends to them: it changes no
    loss and gives the projector a gradient of exactly 0. A batch of no examples is one example without labels.
    """
    # Blank images and empty examples let all ranks run the same graph: a rank without images would never take part in
    # the projector's collectives, and the others would hang.
    if not examples:
        examples = [without_labels("", source="", index=EMPTY, filler_id=placeholders.pad_id)]
    ways = {"padding_free": _concatenated, "shared_images": _in_trees}
    return ways.get(mode, _padded)(examples, placeholders)


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
    example_of = torch.arange(len(examples))[:, None].expand_as(labels)
    return {
        **_batch(examples, input_ids=input_ids, labels=labels, example_of=example_of, placeholders=placeholders),
        "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
    }


def _concatenated(examples: Sequence[Example], placeholders: Placeholders) -> Batch:
    """One row of all examples, concatenated, each a segment; a blank image is a segment of its own."""
    segments = [example["input_ids"] for example in examples]
    labels = [_unlabelled_first(example) for example in examples]
    if not _pixels(examples):
        segments.append(torch.full((placeholders.tokens_per_image,), placeholders.image_token_id))
        labels.append(torch.full((placeholders.tokens_per_image,), IGNORED))
    lengths = torch.tensor([len(segment) for segment in segments])
    starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int()
    longest = int(lengths.max())
    example_of = torch.arange(len(segments)).repeat_interleave(lengths)[None]
    row = torch.cat(segments)[None]
    return {
        **_batch(
            examples, input_ids=row, labels=torch.cat(labels)[None], example_of=example_of, placeholders=placeholders
        ),
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
    example_of: torch.Tensor,
    placeholders: Placeholders,
) -> Batch:
    """What both modes have in common; `example_of` int64 [B, T] says which example each token belongs to."""
    rows, columns = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
    example_index = example_of[rows, columns]
    side = placeholders.image_px
    return {
        "input_ids": input_ids,
        "labels": labels,
        "pixel_values": torch.cat(_pixels(examples) or [torch.zeros((1, 3, side, side))]),
        "image_positions": (input_ids.flatten() == placeholders.image_token_id).nonzero().flatten(),
        "label_positions": rows * labels.shape[1] + columns,
        "targets": labels[rows, columns + 1],
        "example_index": example_index,
        "num_labels": example_index.bincount(minlength=len(examples)).tolist(),
        "num_tokens": sum(len(example["input_ids"]) for example in examples),
        "ids": [example["id"] for example in examples],
        "sources": [example["source"] for example in examples],
        "bad_images": [example["bad_image"] for example in examples if example["bad_image"]],
    }


def _unlabelled_first(example: Example) -> torch.Tensor:
    """The labels of an example without that of its first token, which nothing predicts."""
    return torch.cat([torch.tensor([IGNORED]), example["labels"][1:]])


def _in_trees(examples: Sequence[Example], placeholders: Placeholders) -> Batch:
    """One row of trees; a blank image is a tree of its own."""
    groups: dict[str | int, list[int]] = {}
    for number, example in enumerate(examples):
        groups.setdefault(example["pictures"][0] if example["pictures"] else number, []).append(number)
    trees, pixels = [], []
    for numbers in groups.values():
        branches = [examples[number] for number in numbers]
        shared = 0
        if len(branches) > 1:
            shared = common_beginning(
                [branch["input_ids"].numpy() for branch in branches],
                [branch["pictures"] for branch in branches],
                image_token_id=placeholders.image_token_id,
                tokens_per_image=placeholders.tokens_per_image,
            )
        trees.append(Tree([branch["input_ids"] for branch in branches], shared))
        pixels += _pixels_of_tree(branches, shared, placeholders)
    num_tokens = sum(sum(map(len, tree.conversations)) - tree.shared * (len(tree.conversations) - 1) for tree in trees)
    side = placeholders.image_px
    if not pixels:
        trees.append(Tree([torch.full((placeholders.tokens_per_image,), placeholders.image_token_id)], 0))
        pixels = [torch.zeros((1, 3, side, side))]
    row = lay_out(trees)
    numbers = [number for group in groups.values() for number in group]
    places = dict(zip(numbers, row.places, strict=False))  # a blank image's are left out
    labelled = [(example["labels"][1:] != IGNORED).nonzero().flatten() for example in examples]
    return {
        "input_ids": row.input_ids,
        "position_ids": row.position_ids,
        "cu_seq_lens_q": row.starts_q,
        "cu_seq_lens_k": row.starts_k,
        "max_length_q": int(row.starts_q.diff().max()),
        "max_length_k": int(row.starts_k.diff().max()),
        "key_positions": row.key_positions,
        "shared_by": row.shared_by,
        "labels": torch.cat([_unlabelled_first(example) for example in examples])[None],
        "pixel_values": torch.cat(pixels),
        "image_positions": (row.input_ids.flatten() == placeholders.image_token_id).nonzero().flatten(),
        "label_positions": torch.cat([places[number][before] for number, before in enumerate(labelled)]),
        "targets": torch.cat([example["labels"][1:][k] for example, k in zip(examples, labelled, strict=True)]),
        "example_index": torch.arange(len(examples)).repeat_interleave(torch.tensor([len(k) for k in labelled])),
        "num_labels": [len(before) for before in labelled],
        "num_tokens": num_tokens,
        "ids": [example["id"] for example in examples],
        "sources": [example["source"] for example in examples],
        "bad_images": [example["bad_image"] for example in examples if example["bad_image"]],
    }


def _pixels_of_tree(branches: Sequence[Example], shared: int, placeholders: Placeholders) -> list[torch.Tensor]:
    """The images of a tree in reading order: those of the beginning once."""
    images = int((branches[0]["input_ids"][:shared] == placeholders.image_token_id).sum())
    once = images // placeholders.tokens_per_image
    pixels = [branch["pixel_values"] for branch in branches if branch["pixel_values"] is not None]
    parts = [of[once:] for of in pixels]
    return [part for part in [*(of[:once] for of in pixels[:1]), *parts] if len(part)]


def _pixels(examples: Sequence[Example]) -> list[torch.Tensor]:
    return [example["pixel_values"] for example in examples if example["pixel_values"] is not None]


def _with_placeholders(input_ids: torch.Tensor, lengths: torch.Tensor, placeholders: Placeholders) -> torch.Tensor:
    """`input_ids` with a blank image's placeholders in its padding, widened by as little as they need.

    input_ids  int64 [B, T]
    lengths    int64 [B], the tokens of each row's example

    Features replace placeholders in reading order, whatever row they are in, so one image may go over several rows.
    """
    num_rows, width = input_ids.shape
    count = placeholders.tokens_per_image
    missing = count - int((width - lengths).sum())
    wider = width + max(0, -(-missing // num_rows))
    widened = torch.nn.functional.pad(input_ids, (0, wider - width), value=placeholders.pad_id)
    padding = (torch.arange(wider) >= lengths[:, None]).flatten().nonzero().flatten()
    widened.view(-1)[padding[:count]] = placeholders.image_token_id
    return widened
