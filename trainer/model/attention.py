"""Attention in rows that hold several conversations, none of which may see another.

A batch says where its segments are, as `cu_seq_lens`, and with `key_positions` which keys each of them sees where that
is more than its own: conversations that begin alike share the keys of their beginning. Transformers' own kinds infer
segments from positions that start again at 0, but silently stop doing so when a mask is given or a cache is switched
on: conversations then see each other and nothing fails.
"""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.utils.import_utils import is_flash_attn_2_available

SEGMENTS, FLASH_SEGMENTS = "segments", "segments_fa2"
"""The names under which transformers finds `attend_in_segments` and `attend_by_flash_attn`.

Transformers' own `flash_attention_2` waits for the device in every micro-batch, and its name may stand for another
version of flash-attn.
"""
MASKED = ("eager", "sdpa")
"""The kinds of transformers' own, which work with masks that transformers makes."""
SEGMENT_NAMES = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "key_positions")
"""The keys of a batch that describe its segments, under transformers' names but for the last."""
_HALVES = (torch.float16, torch.bfloat16)
_States = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Segments(NamedTuple):
    """S segments of queries and what each sees: the keys up to its own, which are the last of its keys."""

    starts_q: torch.Tensor
    """int32 [S + 1], where the queries of each segment begin, and the last end."""
    starts_k: torch.Tensor
    """int32 [S + 1], the same of keys."""
    longest_q: int
    longest_k: int


class Scores(NamedTuple):
    """How the scores of queries and keys become the weights of values, besides that no query sees a later key."""

    scale: float
    window: int | None
    """How many keys a query sees, the last of them its own; none sees all."""
    softcap: float | None
    """Scores are squeezed between minus and plus this, by tanh."""
    sinks: torch.Tensor | None
    """[heads], a score of each that takes its part of the weights and has no value."""
    dropout: float

    def plain(self, length: int) -> bool:
        """Whether causal sdpa gives the same where the last query sees so many keys."""
        return self.softcap is None and self.sinks is None and not self.hides(length)

    def hides(self, length: int) -> bool:
        """Whether the last of so many keys is of a query that does not see the first."""
        return self.window is not None and self.window < length


def inputs_of(batch: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a model whose attention is of this kind is given of a batch: tokens, and what keeps conversations apart."""
    given = {name: batch[name] for name in ("input_ids", "position_ids", *SEGMENT_NAMES) if name in batch}
    assert kind not in MASKED or "key_positions" not in given, kind  # `require_fit` refuses it
    # Our own kinds need no mask in padded rows: padding is on the right of all labels, where causal attention does not
    # look.
    if kind in MASKED and "position_ids" in given:
        return {"input_ids": given["input_ids"], "position_ids": given["position_ids"], "use_cache": False}
    return given | ({"attention_mask": batch["attention_mask"]} if kind in MASKED else {})


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
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each segment, as transformers' `AttentionInterface` calls it.

    query          [B, heads, T, D]
    key, value     [B, key heads, T, D]
    s_aux          [heads], the sinks
    returns        [B, T, heads, D]

    `others` are what transformers passes to every kind of attention, and what `inputs_of` gives of a row of segments;
    without that each row is one segment, whose padding must be on the right.
    """
    assert attention_mask is None
    query, key, value = _as_autocast(query, key, value)
    scores = Scores(scale=scaling, window=sliding_window, softcap=softcap, sinks=s_aux, dropout=dropout)
    segments = _segments(others)
    if segments is None:
        return _causal(query, key, value, scores=scores).transpose(1, 2).contiguous(), None
    key, value = (_seen(states, others) for states in (key, value))
    if _has_varlen_kernel(query, scores):
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        return _varlen(q, k, v, segments=segments, scores=scores).unsqueeze(0), None
    sizes = [starts.diff().tolist() for starts in (segments.starts_q, segments.starts_k, segments.starts_k)]
    parts = (torch.split(states, of, dim=2) for states, of in zip((query, key, value), sizes, strict=True))
    attended = torch.cat([_causal(q, k, v, scores=scores) for q, k, v in zip(*parts, strict=True)], dim=2)
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
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The same as `attend_in_segments`, by flash-attn; half precision only, and no sinks."""
    from flash_attn import flash_attn_func, flash_attn_varlen_func

    assert attention_mask is None
    assert s_aux is None, "flash-attn 2 has no sinks"
    q, k, v = (states.transpose(1, 2) for states in _as_autocast(query, key, value))
    how: dict[str, Any] = {"softmax_scale": scaling, "causal": True, "dropout_p": dropout}
    how |= {"window_size": _window(sliding_window), "softcap": softcap or 0.0}
    segments = _segments(others)
    if segments is None:
        return flash_attn_func(q, k, v, **how), None
    k, v = (_seen(states.transpose(1, 2), others).transpose(1, 2) for states in (k, v))
    how |= {"cu_seqlens_q": segments.starts_q, "cu_seqlens_k": segments.starts_k}
    how |= {"max_seqlen_q": segments.longest_q, "max_seqlen_k": segments.longest_k}
    return flash_attn_varlen_func(q[0], k[0], v[0], **how).unsqueeze(0), None


def _segments(given: Mapping[str, Any]) -> Segments | None:
    """Those of the only row; None where each row is one."""
    if given.get("cu_seq_lens_q") is None:
        return None
    return Segments(*(given[name] for name in SEGMENT_NAMES[:4]))


def _seen(states: torch.Tensor, given: Mapping[str, Any]) -> torch.Tensor:
    """The keys or values of what segments see, one segment after the other: [1, key heads, K, D]."""
    positions = given.get("key_positions")
    gather: Any = _Gather.apply
    return states if positions is None else gather(states, positions)


class _Gather(torch.autograd.Function):
    """`states[:, :, positions]`, whose gradient is added up in float32.

    The gradient of a beginning is the sum over all that follow it. In half precision each addition would round.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """[B, heads, K, D] from [B, heads, T, D]; positions int64 [K]."""
        ctx.save_for_backward(positions)
        ctx.shape = states.shape
        return states.index_select(2, positions)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """[B, heads, T, D]."""
        [positions] = ctx.saved_tensors
        exact = torch.promote_types(gradient.dtype, torch.float32)
        total = gradient.new_zeros(ctx.shape, dtype=exact).index_add_(2, positions, gradient.to(exact))
        return total.to(gradient.dtype), None


def _as_autocast(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> _States:
    """In the dtype of autocast, if that is on: float32 weights leave rotated queries and keys in float32 too."""
    if not torch.is_autocast_enabled(query.device.type):
        return query, key, value
    half = torch.get_autocast_dtype(query.device.type)
    return query.to(half), key.to(half), value.to(half)


def _has_varlen_kernel(query: torch.Tensor, scores: Scores) -> bool:
    """Whether torch's kernel for rows of several segments takes it."""
    can = scores.softcap is None and scores.sinks is None and not scores.dropout
    return can and query.is_cuda and query.dtype in _HALVES


def _window(window: int | None) -> tuple[int, int]:
    """As kernels want it: how many keys before its own and after it a query sees, -1 for all."""
    return (-1 if window is None else window - 1, 0)


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scores: Scores) -> torch.Tensor:
    """[B, heads, T, D]; the queries are those of the last T keys."""
    length, grouped = key.shape[2], query.shape[1] != key.shape[1]
    how: dict[str, Any] = {"scale": scores.scale, "dropout_p": scores.dropout, "enable_gqa": grouped}
    if scores.plain(length) and query.shape[2] == length:
        return scaled_dot_product_attention(query, key, value, is_causal=True, **how)
    position = torch.arange(length, device=query.device)
    distance = position[length - query.shape[2] :, None] - position
    hidden = (distance < 0) | (distance >= (scores.window or length))
    if scores.softcap is None and scores.sinks is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=~hidden, **how)
    if grouped:
        key, value = (states.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for states in (key, value))
    # As Gemma-2 and gpt-oss compute it themselves; no kernel of torch has caps or sinks. In float32.
    weights = (query @ key.transpose(2, 3) * scores.scale).to(torch.promote_types(query.dtype, torch.float32))
    if scores.softcap is not None:
        weights = torch.tanh(weights / scores.softcap) * scores.softcap
    weights = weights.masked_fill(hidden, -torch.inf)
    if scores.sinks is not None:
        sinks = scores.sinks.to(weights.dtype)[None, :, None, None].expand(*weights.shape[:3], 1)
        weights = torch.cat([weights, sinks], dim=-1)
    weights = weights.softmax(dim=-1)[..., :length].to(value.dtype)
    return nn.functional.dropout(weights, scores.dropout) @ value


def _varlen(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, segments: Segments, scores: Scores) -> torch.Tensor:
    """[T, heads, D] by torch's own kernel for half precision on a GPU."""
    from torch.nn.attention.varlen import varlen_attn

    attend: Any = varlen_attn
    grouped: dict[str, bool] = {}
    if q.shape[1] != k.shape[1] and "enable_gqa" in inspect.signature(attend).parameters:
        grouped["enable_gqa"] = True
    elif q.shape[1] != k.shape[1]:  # torch 2.11 requires as many key heads as heads
        k, v = (states.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for states in (k, v))
    lengths: dict[str, Any] = dict(zip(("cu_seq_q", "cu_seq_k", "max_q", "max_k"), segments, strict=True))
    window = _window(scores.window if scores.hides(segments.longest_k) else None)
    out: torch.Tensor = attend(q, k, v, **lengths, scale=scores.scale, window_size=window, **grouped)
    return out


AttentionInterface.register(SEGMENTS, attend_in_segments)
AttentionInterface.register(FLASH_SEGMENTS, attend_by_flash_attn)
