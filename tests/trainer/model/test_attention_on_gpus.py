"""What the kernels of a GPU are handed, told without one: their documented meaning stands in for them, in plain torch.

Shapes, causality, scale, where segments begin, grouped heads and gradients are so compared with padded training; the
kernels' own numbers are left to `test_attention_on_cuda.py`.
"""

import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from mix665k.trainer.model import attention
from tests.trainer.model.test_attention import Shortcuts, assert_same, batch, examples, gradients, load, losses, saved

__all__ = ["saved"]
Tensor = torch.Tensor


Window = tuple[int, int]
"""How many keys a query sees before and after its own, -1 for all."""


class Parts(NamedTuple):
    """Where the queries and the keys of segments begin, and how many the longest has."""

    starts_q: Tensor
    starts_k: Tensor
    longest_q: int
    longest_k: int


def attend(q: Tensor, k: Tensor, v: Tensor, parts: Parts, *, scale: float, window: Window) -> Tensor:
    """[T, heads, D]: each segment by itself. With fewer queries than keys they are those of the last keys."""
    assert parts.starts_q.dtype == parts.starts_k.dtype == torch.int32
    given = []
    ends_q, ends_k = (list(pairwise(starts.tolist())) for starts in parts[:2])
    for (begin, end), (first, last) in zip(ends_q, ends_k, strict=True):
        assert 0 < end - begin <= parts.longest_q
        assert end - begin <= last - first <= parts.longest_k
        one = q[begin:end].transpose(0, 1)
        keys, values = (states[first:last].transpose(0, 1) for states in (k, v))
        place = torch.arange(last - first)
        distance = place[last - first - (end - begin) :, None] - place
        before, after = (parts.longest_k if side < 0 else side for side in window)
        seen = (distance <= before) & (-distance <= after)
        grouped = len(one) != len(keys)
        out = scaled_dot_product_attention(one, keys, values, attn_mask=seen, scale=scale, enable_gqa=grouped)
        given.append(out.transpose(0, 1))
    return torch.cat(given)


def varlen_of_torch_2_13(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor, max_q: int, max_k: int, *,
    scale: float | None = None, window_size: tuple[int, int] = (-1, -1), enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """-1 looks as far as there is, 0 not at all: to the left, to the right of the key that is aligned to the end."""
    assert enable_gqa or query.shape[1] == key.shape[1]
    scale = scale or query.shape[-1] ** -0.5
    return attend(query, key, value, Parts(cu_seq_q, cu_seq_k, max_q, max_k), scale=scale, window=window_size)


def varlen_of_torch_2_11(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor, max_q: int, max_k: int, *,
    scale: float | None = None, window_size: tuple[int, int] = (-1, -1),
) -> Tensor:  # fmt: skip
    """As many key heads as heads."""
    return varlen_of_torch_2_13(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, scale=scale, window_size=window_size
    )


def flash_attn_varlen_func(
    q: Tensor, k: Tensor, v: Tensor, cu_seqlens_q: Tensor, cu_seqlens_k: Tensor, max_seqlen_q: int, max_seqlen_k: int,
    dropout_p: float = 0.0, softmax_scale: float | None = None, causal: bool = False,
    window_size: Window = (-1, -1), softcap: float = 0.0,
) -> Tensor:  # fmt: skip
    """flash-attn's name and arguments, from its README: since 2.1 a causal mask is aligned to the end of the keys."""
    assert dropout_p == 0.0
    assert softcap == 0.0
    scale = softmax_scale or q.shape[-1] ** -0.5
    window = (window_size[0], 0) if causal else window_size
    parts = Parts(cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    return attend(q, k, v, parts, scale=scale, window=window)


def flash_attn_func(
    q: Tensor, k: Tensor, v: Tensor, dropout_p: float = 0.0, softmax_scale: float | None = None, causal: bool = False,
    window_size: Window = (-1, -1), softcap: float = 0.0,
) -> Tensor:  # fmt: skip
    """[B, T, heads, D]: each row a segment."""
    rows, length = q.shape[:2]
    starts = torch.arange(rows + 1, dtype=torch.int32) * length
    q, k, v = (states.flatten(0, 1) for states in (q, k, v))
    how = (dropout_p, softmax_scale, causal, window_size, softcap)
    given = flash_attn_varlen_func(q, k, v, starts, starts, length, length, *how)
    return given.view(rows, length, *given.shape[1:])


class StandIn(NamedTuple):
    """The kind of attention that reaches a kernel's stand-in, and how many segments each of its calls had."""

    kind: str
    calls: list[int]


def use_varlen(monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., Tensor]) -> str:
    """Let the function of segments take the way it takes on a GPU."""
    monkeypatch.setattr(varlen, "varlen_attn", kernel)
    monkeypatch.setattr(attention, "_has_varlen_kernel", lambda query, scores: True)
    return "segments"


def use_flash_attn(monkeypatch: pytest.MonkeyPatch) -> str:
    """A flash-attn that can be imported."""
    package = ModuleType("flash_attn")
    vars(package).update(flash_attn_func=flash_attn_func, flash_attn_varlen_func=flash_attn_varlen_func)
    monkeypatch.setitem(sys.modules, "flash_attn", package)
    return attention.FLASH_SEGMENTS


KERNELS: dict[str, Callable[[pytest.MonkeyPatch], str]] = {
    "varlen of torch 2.13": partial(use_varlen, kernel=varlen_of_torch_2_13),
    "varlen of torch 2.11": partial(use_varlen, kernel=varlen_of_torch_2_11),
    "flash-attn": use_flash_attn,
}


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Each kernel in turn."""
    calls: list[int] = []
    stand_in = attend

    def counted(q: Tensor, k: Tensor, v: Tensor, parts: Parts, **how: Any) -> Tensor:
        calls.append(len(parts.starts_q) - 1)
        return stand_in(q, k, v, parts, **how)

    monkeypatch.setattr(sys.modules[__name__], "attend", counted)
    return StandIn(KERNELS[request.param](monkeypatch), calls)


@pytest.mark.parametrize("chosen", [slice(0, 4), slice(1, 2), slice(3, 4), slice(0, 1)])
def test_loss_and_gradients_equal_those_of_padded_training(saved: Path, kernel: StandIn, chosen: slice) -> None:
    some = examples()[chosen]
    plain = load(saved, "eager")
    expected = losses(plain, batch("grouped", some))
    model = load(saved, kernel.kind)
    micro_batch = batch("padding_free", some)
    found = losses(model, micro_batch, by=Shortcuts(model))

    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert_same(gradients(model, found), gradients(plain, expected))
    assert kernel.calls == [len(micro_batch["cu_seq_lens_q"]) - 1] * 2  # layers


def test_padded_rows_stay_what_they_are(saved: Path, kernel: StandIn) -> None:
    plain, model = load(saved, "eager"), load(saved, kernel.kind)
    rows = batch("grouped", examples())
    expected = losses(plain, rows)
    found = losses(model, rows, by=Shortcuts(model))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_changing_one_conversation_changes_nothing_in_its_neighbours(saved: Path, kernel: StandIn) -> None:
    model = load(saved, kernel.kind)
    by = Shortcuts(model)
    ours, others = examples(), examples(seed=2)
    before, after = (batch("padding_free", some) for some in (ours, [ours[0], others[1], ours[2], others[3]]))
    found, changed = (losses(model, one, by=by) for one in (before, after))
    kept = (before["example_index"] == 0) | (before["example_index"] == 2)

    assert torch.equal(found[kept], changed[kept])
    assert not torch.isclose(found[~kept], changed[~kept]).any()
