"""What a stage can take over from LLaVA's trainer: its loss and its decay; and the rates that a log names."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from mix665k.trainer.run.callbacks import Bar
from mix665k.trainer.run.parameter_groups import parameter_groups
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.run.test_callbacks import LOGGED, state
from tests.trainer.run.test_loop import LABELS, batches, expected_losses, make, saved

__all__ = ["make", "saved"]
TINY: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 16,
}


def losses(trainer: Any, *groups: list[int]) -> list[float]:
    """What the loop makes of each micro-batch of a step of two for each rank; 30 labels in all."""
    count = torch.tensor(sum(LABELS.values()))
    found = [
        trainer.compute_loss(trainer.model, batch, num_items_in_batch=count) for batch in batches(trainer, *groups)
    ]
    return [float(loss.detach()) for loss in found]


def test_the_batch_mean_is_the_mean_of_the_means_of_two_micro_batches_on_two_ranks(make: Any) -> None:
    trainer = make("loss=batch_mean")
    first, second, third, fourth = losses(trainer, [0], [1], [2], [3])
    of_ranks = [first + second, third + fourth]
    means = [float(expected_losses(trainer, batch).mean()) for batch in batches(trainer, [0], [1], [2], [3])]
    assert sum(of_ranks) / 2 == pytest.approx(sum(means) / 4, rel=1e-5)


def test_the_batch_mean_depends_on_the_layout_and_the_token_mean_does_not(make: Any) -> None:
    for kind, depends in (("batch_mean", True), ("token_mean", False)):
        trainer = make(f"loss={kind}")
        one, other = (sum(losses(trainer, *groups)) for groups in ([[0, 1], [2, 3]], [[0], [1, 2, 3]]))
        assert (abs(one - other) > 1e-4) == depends, (kind, one, other)


def test_a_micro_batch_without_labels_adds_nothing_to_the_batch_mean(make: Any) -> None:
    assert losses(make("loss=batch_mean"), []) == [0.0]


def llava_step(trainer: Any, *groups: list[int]) -> tuple[float, float]:
    """The loss of a step and the norm of its gradient, as LLaVA takes them from the logits of padded micro-batches."""
    total = torch.tensor(0.0)
    for batch in batches(trainer, *groups):
        logits = trainer.model(**{name: batch[name] for name in ("input_ids", "pixel_values")}, use_cache=False).logits
        total = total + cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten()) / len(groups)
    torch.autograd.backward(total)
    squares = [float(p.grad.square().sum()) for p in trainer.model.parameters() if p.grad is not None]
    return float(total.detach()), sum(squares) ** 0.5


def test_a_run_with_the_batch_mean_has_llavas_loss_and_gradient(make: Any) -> None:
    sets = ("loss=batch_mean", "max_steps=1", "save_steps=9", "global_batch=4", "per_device_batch=2")
    trainer = make(*sets)
    loss, norm = llava_step(make(*sets), *list(trainer._batches)[:2])
    trainer.train()
    [line] = [line for line in trainer.state.log_history if "loss" in line]
    assert (line["loss"], line["grad_norm"]) == pytest.approx((loss, norm), rel=1e-4)


def llava_decays(model: nn.Module) -> set[str]:
    """LLaVA's `create_optimizer`: outside of norms of the classes that transformers 4.37 lists, without biases."""
    known = [nn.LayerNorm, LlamaRMSNorm]

    def outside(module: nn.Module) -> list[str]:
        names = [name for name, _ in module.named_parameters(recurse=False)]
        for name, child in module.named_children():
            if type(child) not in known:
                names += [f"{name}.{inner}" for inner in outside(child)]
        return names

    return {name for name in outside(model) if "bias" not in name}


def decays(model: nn.Module, kind: str) -> set[str]:
    stage = load_stage("finetune", ["weight_decay=0.1", f"decay_groups={kind}"])
    decaying = {
        id(p) for group in parameter_groups(model, stage).groups if group["weight_decay"] for p in group["params"]
    }
    return {name for name, parameter in model.named_parameters() if id(parameter) in decaying}


def test_for_llama_both_decay_groups_are_llavas() -> None:
    model = LlamaForCausalLM(LlamaConfig(**TINY, attention_bias=True))
    assert decays(model, "by_name") == decays(model, "by_class") == llava_decays(model)
    assert len(decays(model, "by_name")) == 9


def test_llavas_trainer_decays_the_norms_of_qwen_and_by_name_does_not() -> None:
    model = Qwen2ForCausalLM(Qwen2Config(**TINY))
    assert decays(model, "by_class") == llava_decays(model)
    norms = {f"model.layers.0.{name}_layernorm.weight" for name in ("input", "post_attention")} | {"model.norm.weight"}
    assert decays(model, "by_class") - decays(model, "by_name") == norms


def test_decay_by_class_leaves_out_clips_norms_whatever_they_are_named(make: Any) -> None:
    model = make("trains=[projector, language_model, vision_tower]").model
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert decays(model, "by_class") == llava_decays(model) & trained
    assert any("pre_layrnorm" in name for name in trained)


def test_the_log_names_the_rate_of_the_language_model_and_of_each_part_with_its_own(make: Any) -> None:
    sets = ("max_steps=2", "save_steps=9", "schedule=constant", "warmup_ratio=0", "global_batch=4")
    trainer = make(*sets, "per_device_batch=2", "lr=1e-3", "projector_lr=2e-4")
    trainer.train()
    lines = [line for line in trainer.state.log_history if "loss" in line]
    rates = [{key: value for key, value in line.items() if key.startswith("learning_rate")} for line in lines]
    assert rates == [{"learning_rate": 1e-3, "learning_rate/projector": 2e-4}] * 2


def test_a_log_line_of_one_rate_names_one(make: Any) -> None:
    trainer = make("max_steps=1", "save_steps=9", "global_batch=4", "per_device_batch=2", "trains=[projector]")
    trainer.train()
    [line] = [line for line in trainer.state.log_history if "loss" in line]
    assert [key for key in line if key.startswith("learning_rate")] == ["learning_rate"]


def test_the_console_shows_each_rate(capsys: pytest.CaptureFixture[str]) -> None:
    Bar().on_log(
        None, state(1), None, logs=LOGGED | {"learning_rate/projector": 2e-4, "learning_rate/vision_tower": 5e-6}
    )
    assert "lr 1.0e-03, projector 2.0e-04, vision_tower 5.0e-06  9 tokens/s" in capsys.readouterr().err


@pytest.mark.parametrize(("stage", "batching"), [("pretrain", "llava_random"), ("finetune", "llava_grouped")])
def test_the_exact_stages_are_the_papers_with_llavas_loss_order_and_decay(stage: str, batching: str) -> None:
    template = "plain" if stage == "pretrain" else "v1"
    ours = msgspec.to_builtins(load_stage(stage, [f"template={template}"]))
    exact = msgspec.to_builtins(load_stage(f"llava-exact-{stage}"))
    assert {name: value for name, value in exact.items() if value != ours[name]} == {
        "name": f"llava-exact-{stage}",
        "loss": "batch_mean",
        "batching": batching,
        "remainder": "repeat",
        "decay_groups": "by_class",
        "tf32": True,
    }


def test_a_run_in_llavas_order_resumes_after_two_epochs_with_the_same_examples(make: Any, tmp_path: Path) -> None:
    sets = ["batching=llava_grouped", "loss=batch_mean", "epochs=3", "save_steps=1", "keep_checkpoints=9"]
    sets += ["global_batch=4", "per_device_batch=2", "lr=1e-2"]
    runs = [make(*sets), make(*sets)]
    runs[0].train()
    runs[1].train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    told = [
        [(line["loss"], line["grad_norm"], line["samples"]) for line in run.state.log_history if "loss" in line]
        for run in runs
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 3
