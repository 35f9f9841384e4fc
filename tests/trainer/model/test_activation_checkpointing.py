"""What is kept for the backward pass, and in what precision weights learn."""

import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from deepspeed.runtime.zero.linear import LinearFunctionForZeroStage3
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from mix665k.trainer.batching.types import Mode
from mix665k.trainer.model.activation_checkpointing import keep_costly
from mix665k.trainer.model.attention import MASKED, Scores, Segments, _varlen
from mix665k.trainer.model.trainable import load_model, make_trainable
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.model.test_attention import KINDS, Shortcuts, batch, examples, gradients, load, losses, saved
from tests.trainer.running import Inputs, finetune

__all__ = ["saved"]


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that run meanwhile."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See TorchDispatchMode."""
        self.seen[func.name().partition(".")[0]] += 1
        return func(*args, **(kwargs or {}))


def trained(saved: Path, kind: str, *sets: str) -> Any:
    stage = load_stage("finetune", ["bf16=false", f"attention={kind}", *sets])
    return make_trainable(load(saved, kind).float(), stage).train()


def gradients_and_work(model: Any) -> tuple[dict[str, torch.Tensor], Counter[str]]:
    found = losses(model, batch("padding_free", examples()), by=Shortcuts(model))
    with Counting() as counting:
        given = gradients(model, found)
    return given, counting.seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recomputed", ["true", "selective"])
def test_computing_anew_changes_no_gradient(saved: Path, kind: str, recomputed: str) -> None:
    expected, _ = gradients_and_work(trained(saved, kind, "gradient_checkpointing=false"))
    found, _ = gradients_and_work(trained(saved, kind, f"gradient_checkpointing={recomputed}"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_selective_computes_no_product_and_no_attention_anew(saved: Path) -> None:
    work = {
        value: gradients_and_work(trained(saved, "segments", f"gradient_checkpointing={value}"))[1]
        for value in ("false", "true", "selective")
    }
    for costly in ("aten::mm", "aten::_scaled_dot_product_flash_attention_for_cpu"):
        assert work["true"][costly] > work["false"][costly]
        assert work["selective"][costly] == work["false"][costly]
    assert work["selective"]["aten::silu"] > work["false"]["aten::silu"] == 0


def test_a_gpus_attention_takes_grouped_heads_and_is_not_computed_anew() -> None:
    """Torch's varlen kernel runs on a GPU only; here its shapes do."""

    scores = Scores(scale=0.125, window=24, softcap=None, sinks=None, dropout=0.0)

    def attend(query: torch.Tensor) -> torch.Tensor:
        return _varlen(query, states, states, segments=Segments(starts, starts, 60, 60), scores=scores).sigmoid()

    with FakeTensorMode():
        query, states = (
            torch.empty(heads, 100, 64, dtype=torch.bfloat16, requires_grad=True).transpose(0, 1) for heads in (8, 2)
        )
        starts = torch.tensor([0, 40, 100], dtype=torch.int32)
        with Counting() as counting:
            given = checkpoint(attend, query, use_reentrant=False, context_fn=keep_costly)
            gradients = torch.autograd.grad(given.sum(), [query, states])
    assert [gradient.shape for gradient in gradients] == [(100, 8, 64), (100, 2, 64)]
    assert counting.seen["aten::sigmoid"] == 2
    assert counting.seen["torch_attn::_varlen_attn"] == counting.seen["torch_attn::_varlen_attn_backward"] == 1


@pytest.mark.parametrize(("kind", "mode"), [("segments", "grouped"), *((kind, "padding_free") for kind in KINDS)])
def test_a_micro_batch_never_waits_for_the_device(saved: Path, kind: str, mode: Mode) -> None:
    """A profiler also sees what torch's own gradients are made of.

    But once with a kind of transformers' own, where it looks whether a row holds several conversations.
    """
    model = trained(saved, kind, "gradient_checkpointing=selective")
    by, micro_batch = Shortcuts(model), batch(mode, examples())
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        gradients(model, losses(model, micro_batch, by=by))
    seen = {event.key: event.count for event in profiled.key_averages()}
    assert {"aten::embedding", "aten::index_copy", "aten::embedding_dense_backward"} <= seen.keys()
    assert seen.get("aten::_local_scalar_dense", 0) == (1 if kind in MASKED else 0)
    assert not seen.keys() & {"aten::nonzero", "aten::masked_select"}


def test_a_bias_that_zero_3_adds_in_place_is_added_once() -> None:
    inputs, weight = torch.randn(1, 5, 8, requires_grad=True), torch.randn(6, 8, requires_grad=True)
    bias = torch.randn(6, requires_grad=True)

    def layer(given: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = LinearFunctionForZeroStage3.apply(given, weight, bias)
        return out.sigmoid()

    plain, learning = layer(inputs), [inputs, weight, bias]
    expected = torch.autograd.grad(plain.square().sum(), learning)
    kept = checkpoint(layer, inputs, use_reentrant=False, context_fn=partial(keep_costly, copied=True))
    assert torch.equal(kept, plain)
    for found, wanted in zip(torch.autograd.grad(kept.square().sum(), learning), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("zero", "biased", "copied"), [("3", True, True), ("3", False, False), ("2", True, False)])
def test_products_are_copied_where_zero_3_meets_biases(saved: Path, zero: str, biased: bool, copied: bool) -> None:
    model = load(saved, "segments").float()
    if biased:
        model.model.language_model.layers[1].self_attn.q_proj = torch.nn.Linear(32, 32)
    stage = load_stage("finetune", ["bf16=false", f"zero={zero}", "gradient_checkpointing=selective"])
    given: list[Any] = []
    model.model.language_model.activation_checkpointing_enable = given.append
    make_trainable(model, stage)
    assert given[0]["context_fn"].keywords == {"copied": copied}


@pytest.mark.parametrize(
    ("zero", "lora", "learning"), [("0", "lora.r=4", torch.float32), ("2", "lora.r=4", torch.bfloat16)]
)
def test_what_learns_without_deepspeed_is_kept_in_float32(
    saved: Path, zero: str, lora: str, learning: torch.dtype
) -> None:
    model = load_model(saved, load_stage("finetune", [f"zero={zero}", lora]))
    kinds = {
        (parameter.requires_grad, parameter.dtype) for parameter in model.parameters() if parameter.is_floating_point()
    }
    assert kinds == {(True, learning), (False, torch.bfloat16)}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_in_full_precision_learn_in_half(saved: Path, kind: str) -> None:
    """As without DeepSpeed: float32 weights under autocast."""
    model = trained(saved, kind, "gradient_checkpointing=selective")
    expected = losses(model, batch("padding_free", examples()), by=Shortcuts(model))
    model = trained(saved, kind, "gradient_checkpointing=selective", "zero=0")
    by = Shortcuts(model)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(model, batch("padding_free", examples()), by=by)
    assert all(value.dtype == torch.float32 for value in gradients(model, found).values())
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


@pytest.mark.slow
def test_selective_checkpointing_goes_with_partitioned_weights(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    """Also from a checkpoint on: the first step after it gathers weights otherwise than the first of a run."""

    def learned(checkpointing: str) -> list[tuple[float, float]]:
        sets = ("zero=3", "batching=padding_free", "save_steps=1", f"gradient_checkpointing={checkpointing}")
        lines = finetune(inputs, projector, tmp_path / checkpointing, "--max-steps", "2", sets=sets)
        return [(line["loss"], line["grad_norm"]) for line in lines]

    expected = learned("true")
    assert learned("selective") == expected
    shutil.rmtree(tmp_path / "selective" / "checkpoint-2")
    assert learned("selective") == expected


@pytest.mark.slow
def test_steps_too_small_for_half_precision_are_not_lost(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from mix665k.trainer.run.weights import write_projector

    sets = ("zero=0", "bf16=true", "lora.r=4", "projector_lr=1e-6", "save_steps=3", "schedule=constant")
    finetune(inputs, projector, tmp_path / "run", "--max-steps", "3", sets=sets)
    before = {name: value.bfloat16().float() for name, value in load_file(projector).items()}
    after = load_file(write_projector(tmp_path / "run", tmp_path / "after.safetensors"))
    moved = [(after[name] - value).abs() for name, value in before.items() if name.endswith("weight")]
    assert all(0 < float(one.median()) < 1e-5 for one in moved)
