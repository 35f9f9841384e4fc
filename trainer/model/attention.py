"""Attention in rows that hold several conversations, none of which may see another.

A batch says where its segments are, as `cu_seq_lens`. Transformers can also infer them from positions that start again
at 0, but silently stops doing so when a cache is switched on: conversations then see each other and nothing fails.
"""

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.utils.import_utils import is_flash_attn_2_available

if TYPE_CHECKING:
    from mix665k.schemas.stage import Stage

SEGMENTS, FLASH_SEGMENTS = "segments", "segments_fa2"
"""The names under which transformers finds `attend_in_segments` and `attend_by_flash_attn`.

Transformers' own `flash_attention_2` waits for the device in every micro-batch, and its name may stand for another
version of flash-attn.
"""
MASKED = ("eager", "sdpa")
"""The kinds of transformers' own that need a mask to keep conversations apart: they get `block_mask`."""
SEGMENT_NAMES = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k")
"""The keys of a batch that describe its segments, under transformers' names."""
_HALVES = (torch.float16, torch.bfloat16)
_States = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def choose(stage: "Stage") -> str:
    """The kind of attention for a stage's language model; the vision tower always takes sdpa.

    `auto` is flash-attn where it can run, else `segments`, which is sdpa without any mask.
    """
    by_flash_attn = stage.attention == "flash_attention_2"
    if stage.attention == "auto":
        by_flash_attn = stage.bf16 and has_flash_attn()
    if by_flash_attn:
        return FLASH_SEGMENTS
    return SEGMENTS if stage.attention == "auto" else stage.attention


def has_flash_attn() -> bool:
    """Whether flash-attn 2 is installed and there is a GPU for it."""
    return bool(is_flash_attn_2_available())


def attend_in_segments(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each segment, as transformers' `AttentionInterface` calls it.

    query          [B, heads, T, D]
    key, value     [B, key heads, T, D]
    cu_seq_lens_q  int32 [segments + 1], where each segment of the only row begins and the last ends; without it each
                   row is one segment, whose padding must be on the right
    returns        [B, T, heads, D]

    `others` are what transformers passes to every kind of attention.
    """
    assert dropout == 0.0, dropout
    assert attention_mask is None
    query, key, value = _as_autocast(query, key, value)
    if cu_seq_lens_q is None:
        return _causal(query, key, value, scale=scaling).transpose(1, 2).contiguous(), None
    if _has_varlen_kernel(query):
        assert max_length_q is not None
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        return _varlen(q, k, v, starts=cu_seq_lens_q, longest=max_length_q, scale=scaling).unsqueeze(0), None
    sizes = cu_seq_lens_q.diff().tolist()
    segments = zip(*(torch.split(states, sizes, dim=2) for states in (query, key, value)), strict=True)
    attended = torch.cat([_causal(q, k, v, scale=scaling) for q, k, v in segments], dim=2)
    return attended.transpose(1, 2).contiguous(), None


def attend_by_flash_attn(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The same as `attend_in_segments`, by flash-attn; half precision only."""
    from flash_attn import flash_attn_func, flash_attn_varlen_func

    assert dropout == 0.0, dropout
    assert attention_mask is None
    q, k, v = (states.transpose(1, 2) for states in _as_autocast(query, key, value))
    how: dict[str, Any] = {"softmax_scale": scaling, "causal": True}
    if cu_seq_lens_q is None:
        return flash_attn_func(q, k, v, **how), None
    how |= {"cu_seqlens_q": cu_seq_lens_q, "cu_seqlens_k": cu_seq_lens_q}
    how |= {"max_seqlen_q": max_length_q, "max_seqlen_k": max_length_q}
    return flash_attn_varlen_func(q[0], k[0], v[0], **how).unsqueeze(0), None


def _as_autocast(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> _States:
    """In the dtype of autocast, if that is on: float32 weights leave rotated queries and keys in float32 too."""
    if not torch.is_autocast_enabled(query.device.type):
        return query, key, value
    half = torch.get_autocast_dtype(query.device.type)
    return query.to(half), key.to(half), value.to(half)


def _has_varlen_kernel(query: torch.Tensor) -> bool:
    """Whether torch's kernel for rows of several segments takes it."""
    return query.is_cuda and query.dtype in _HALVES


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float) -> torch.Tensor:
    """[B, heads, T, D]."""
    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)


def _varlen(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, starts: torch.Tensor, longest: int, scale: float
) -> torch.Tensor:
    """[T, heads, D] by torch's own kernel for half precision on a GPU."""
    from torch.nn.attention.varlen import varlen_attn

    attend: Any = varlen_attn
    grouped: dict[str, bool] = {}
    if q.shape[1] != k.shape[1] and "enable_gqa" in inspect.signature(attend).parameters:
        grouped["enable_gqa"] = True
    elif q.shape[1] != k.shape[1]:  # torch 2.11 requires as many key heads as heads
        k, v = (states.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for states in (k, v))
    lengths = {"cu_seq_q": starts, "cu_seq_k": starts, "max_q": longest, "max_k": longest}
    out: torch.Tensor = attend(q, k, v, **lengths, scale=scale, window_size=(-1, 0), **grouped)
    return out


def block_mask(starts: torch.Tensor, *, length: int, dtype: torch.dtype) -> torch.Tensor:
    """[1, 1, T, T]: 0 where a token may see another, of its own segment and not after it, else the lowest number.

    starts  int32 [segments + 1], as `cu_seq_lens_q`; the last is `length`, T
    """
    position = torch.arange(length, device=starts.device)
    segment = torch.searchsorted(starts, position, right=True)
    hidden = (segment[:, None] != segment[None]) | (position[:, None] < position[None])
    mask = torch.zeros(hidden.shape, dtype=dtype, device=starts.device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[None, None]


AttentionInterface.register(SEGMENTS, attend_in_segments)
AttentionInterface.register(FLASH_SEGMENTS, attend_by_flash_attn)
