"""Rows of conversations that begin alike: each beginning once, what follows it in a segment for each conversation."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

Tensor = torch.Tensor


class Tree(NamedTuple):
    """Conversations of token ids int64 [T] each, whose first `shared` tokens are the same."""

    conversations: Sequence[Tensor]
    shared: int


class TreeRow(NamedTuple):
    """One row of T tokens, S segments and K keys: of each tree its beginning, then the rest of each conversation.

    input_ids     int64 [1, T]
    position_ids  int64 [1, T]    as if each conversation were alone: what follows a beginning goes on counting
    starts_q      int32 [S + 1]   where each segment begins, and T
    starts_k      int32 [S + 1]   where the keys that a segment sees begin in `key_positions`, and K
    key_positions int64 [K]       the token of the row that each key is of: for a rest those of its beginning come first
    shared_by     int64 [1, T]    how many conversations each token belongs to
    places        int64 [T_i]     for each conversation, tree after tree, where its tokens are in the row
    """

    input_ids: Tensor
    position_ids: Tensor
    starts_q: Tensor
    starts_k: Tensor
    key_positions: Tensor
    shared_by: Tensor
    places: list[Tensor]


def lay_out(trees: Sequence[Tree]) -> TreeRow:
    """The row of some trees."""
    ids: list[Tensor] = []
    positions: list[Tensor] = []
    keys: list[Tensor] = []
    places: list[Tensor] = []

    def add(tokens: Tensor, *, past: Tensor) -> Tensor:
        """Put tokens behind others of the row; where those and these are."""
        begin = sum(map(len, ids))
        where = torch.cat([past, torch.arange(begin, begin + len(tokens))])
        if len(tokens):
            ids.append(tokens)
            positions.append(torch.arange(len(past), len(where)))
            keys.append(where)
        return where

    for conversations, shared in trees:
        beginning = add(conversations[0][:shared], past=torch.arange(0))
        places += [add(tokens[shared:], past=beginning) for tokens in conversations]
    length = sum(map(len, ids))
    return TreeRow(
        input_ids=torch.cat(ids)[None],
        position_ids=torch.cat(positions)[None],
        starts_q=_starts(ids),
        starts_k=_starts(keys),
        key_positions=torch.cat(keys),
        shared_by=torch.cat(places).bincount(minlength=length)[None],
        places=places,
    )


def _starts(parts: Sequence[Tensor]) -> Tensor:
    """int32: where each of concatenated parts begins, and the last ends."""
    return torch.nn.functional.pad(torch.tensor([len(part) for part in parts]).cumsum(0), (1, 0)).int()
