"""A language model in 4 or 8 bits: what learns, what a checkpoint holds, and what it becomes."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlavaForConditionalGeneration as Llava

from mix665k.schemas.errors import StageError
from mix665k.trainer.model.cost import count_flops, estimate
from mix665k.trainer.model.quantized import require_bits
from mix665k.trainer.model.trainable import load_model, outline
from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.ranks import quieten
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_from import StartFrom
from mix665k.trainer.run.start_model import make_start
from mix665k.trainer.run.weights import load_trained, load_weights_of_run, weights_to_save
from tests.trainer.running import Inputs

LLAVA: Any = Llava
SMALL = ["bf16=false", "lora.r=4", "lora.alpha=8", "lora.dropout=0.0", "gradient_checkpointing=false"]
LAYER = "model.language_model.layers.0.self_attn.q_proj"
needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


def _job(inputs: Inputs, out: Path, *sets: str) -> Job:
    quieten()
    return Job(
        stage=load_stage("finetune", [*SMALL, "zero=0", "template=v1", *sets]),
        mixture=str(inputs.mixture),
        images=str(inputs.images),
        out=str(out),
        **StartFrom(llm=str(inputs.llm), vision=str(inputs.vision))._asdict(),
    )


@pytest.mark.parametrize("zero", [2, 3])
def test_quantised_layers_do_not_go_with_deepspeed(zero: int) -> None:
    with pytest.raises(StageError, match=rf"lora\.bits 4: does not go with ZeRO-{zero}; --set zero=0"):
        require_bits(load_stage("finetune", ["lora.bits=4", f"zero={zero}"]))


def test_without_bitsandbytes_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StageError, match=r"lora\.bits 8: bitsandbytes is not installed; pip install -e '\.\[quant"):
        require_bits(load_stage("finetune", ["lora.bits=8", "zero=0"]))
    require_bits(load_stage("finetune", ["lora.r=8", "zero=0"]))


def test_four_bits_are_an_eighth_of_a_float(inputs: Inputs, tmp_path: Path) -> None:
    job = _job(inputs, tmp_path)
    make_start(job)
    config = LLAVA.from_pretrained(job.start).config
    whole, quarter = (
        estimate(outline(config, stage), stage, ranks=1, tokens=1, labels=1).weights
        for stage in (job.stage, load_stage("finetune", [*SMALL, "zero=0", "lora.bits=4"]))
    )
    # two layers of 64 hidden and 128 intermediate units: 4 products of 64 x 64, 3 of 64 x 128
    assert whole - quarter == 2 * (4 * 64 * 64 + 3 * 64 * 128) * 3.5


@needs_bitsandbytes
@pytest.mark.parametrize("bits", [4, 8])
def test_adapters_on_quantised_layers_learn_and_are_merged_into_the_full_ones(
    inputs: Inputs, tmp_path: Path, bits: int
) -> None:
    job = _job(inputs, tmp_path, f"lora.bits={bits}")
    make_start(job)
    model = load_model(job.start, job.stage)
    layer = model.get_submodule(LAYER)
    assert type(layer.base_layer).__name__ == {4: "Linear4bit", 8: "Linear8bitLt"}[bits]
    assert not any("bit" in type(part).__name__ for part in model.model.vision_tower.modules())
    ids = torch.tensor([[1, 5, 9, 200]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert layer.lora_B.default.weight.grad.abs().max() > 0
    assert model.model.multi_modal_projector.linear_1.weight.requires_grad

    torch.nn.init.ones_(layer.lora_B.default.weight)
    saved = weights_to_save(model, job.stage)
    assert {name.rpartition(".lora_")[0] for name in saved if "lora_" in name} >= {LAYER}
    assert not any("base_layer" in name or "vision_tower" in name for name in saved)
    checkpoint = tmp_path / "checkpoint-1"
    checkpoint.mkdir()
    save_file({name: value.contiguous() for name, value in saved.items()}, checkpoint / "weights.safetensors")
    mark_complete(checkpoint, Complete(step=1, ranks=1, mixture="a" * 64, stage="finetune"))
    write_job(job)

    start, merged = LLAVA.from_pretrained(job.start), load_trained(checkpoint)
    added = 2 * (layer.lora_B.default.weight @ layer.lora_A.default.weight)
    assert torch.allclose(merged.get_submodule(LAYER).weight, start.get_submodule(LAYER).weight + added, atol=1e-6)
    again = load_model(job.start, job.stage)
    load_weights_of_run(again, saved, stage=job.stage)
    assert torch.equal(again.get_submodule(LAYER).lora_B.default.weight, layer.lora_B.default.weight)
    with pytest.raises(RuntimeError, match="do not fit"):
        load_weights_of_run(again, {name: value for name, value in saved.items() if LAYER not in name}, stage=job.stage)


@needs_bitsandbytes
def test_a_quantised_weight_counts_as_one_whatever_it_is_packed_in(inputs: Inputs, tmp_path: Path) -> None:
    job = _job(inputs, tmp_path)
    make_start(job)
    quantised = load_stage("finetune", [*SMALL, "zero=0", "lora.bits=4"])
    assert count_flops(load_model(job.start, quantised)) == count_flops(load_model(job.start, job.stage))


@needs_bitsandbytes
@pytest.mark.slow
def test_a_quantised_run_resumes_and_is_exported(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    from tests.trainer.running import finetune, run, told

    sets = ("zero=0", "lora.r=4", "lora.bits=4", "save_steps=2")
    straight = finetune(inputs, projector, tmp_path / "a", "--max-steps", "4", sets=sets)
    finetune(inputs, projector, tmp_path / "b", "--max-steps", "2", sets=sets)
    resumed = finetune(inputs, projector, tmp_path / "b", "--max-steps", "4", sets=sets)
    assert [line[0] for line in told(resumed)] == [line[0] for line in told(straight)]
    assert resumed[-1]["loss"] == pytest.approx(straight[-1]["loss"], abs=1e-4)
    done = run("export", tmp_path / "b", "--out", tmp_path / "model")
    assert done.returncode == 0, done.stderr
