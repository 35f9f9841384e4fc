"""Attention in rows that hold several conversations, none of which may see another."""

import inspect
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

if TYPE_CHECKING:
    from schemas.stage import Stage

SEGMENTS = "segments"
"""The name under which transformers finds `attend_in_segments`."""
MASKED = ("eager", "sdpa")
"""Those of transformers' own kinds that need a mask to keep conversations apart."""
SEGMENT_NAMES = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k")
"""What a batch says of its segments, under transformers' names."""
_HALVES = (torch.float16, torch.bfloat16)


def choose(stage: "Stage") -> str:
    """The kind of attention for a stage's language model; the vision tower always takes sdpa.

    `auto` is flash-attn where it can run, else `segments`, which is sdpa without any mask.
    """
    if stage.attention != "auto":
        return stage.attention
    if torch.cuda.is_available() and stage.bf16 and find_spec("flash_attn") is not None:
        return "flash_attention_2"
    return SEGMENTS


def attend_in_segments(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each segment, as transformers' `AttentionInterface` calls it.

    query          [B, heads, T, D]
    key, value     [B, key heads, T, D]
    cu_seq_lens_q  int32 [segments + 1], where each segment of the one row begins and the last ends; without it each
                   row is one segment, whose padding must be on the right
    gives          [B, T, heads, D]

    `others` are what transformers hands to every kind of attention.
    """
    assert dropout == 0.0, dropout
    assert attention_mask is None
    if torch.is_autocast_enabled(query.device.type):  # weights in float32 leave rotated queries and keys in it too
        half = torch.get_autocast_dtype(query.device.type)
        query, key, value = (states.to(half) for states in (query, key, value))
    if cu_seq_lens_q is None:
        return _causal(query, key, value, scaling).transpose(1, 2).contiguous(), None
    if _has_kernel(query):
        assert max_length_q is not None
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        return _varlen(q, k, v, cu_seq_lens_q, max_length_q, scaling).unsqueeze(0), None
    sizes = cu_seq_lens_q.diff().tolist()
    segments = zip(*(torch.split(states, sizes, dim=2) for states in (query, key, value)), strict=True)
    return torch.cat([_causal(q, k, v, scaling) for q, k, v in segments], dim=2).transpose(1, 2).contiguous(), None


def _has_kernel(query: torch.Tensor) -> bool:
    """Whether torch's kernel for rows of several segments takes it."""
    return query.is_cuda and query.dtype in _HALVES


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """[B, heads, T, D]."""
    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)


def _varlen(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, starts: torch.Tensor, longest: int, scale: float
) -> torch.Tensor:
    """[T, heads, D] by torch's own kernel; what says that it is causal changed its name after torch 2.10."""
    from torch.nn.attention.varlen import varlen_attn

    attend: Any = varlen_attn
    known = inspect.signature(attend).parameters
    causal: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    if q.shape[1] != k.shape[1] and "enable_gqa" not in known:
        k, v = (states.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for states in (k, v))
    elif q.shape[1] != k.shape[1]:
        causal["enable_gqa"] = True
    out: torch.Tensor = attend(q, k, v, starts, starts, longest, longest, scale=scale, **causal)
    return out


def block_mask(starts: torch.Tensor, *, length: int, dtype: torch.dtype) -> torch.Tensor:
    """[1, 1, T, T], 0 where a token may see another, of its own segment and not behind it, else the lowest number.

    starts  int32 [segments + 1], as `cu_seq_lens_q`; the last is `length`, T
    """
    place = torch.arange(length, device=starts.device)
    segment = torch.searchsorted(starts, place, right=True)
    hidden = (segment[:, None] != segment[None]) | (place[:, None] < place[None])
    mask = torch.zeros(hidden.shape, dtype=dtype, device=starts.device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[None, None]


AttentionInterface.register(SEGMENTS, attend_in_segments)
