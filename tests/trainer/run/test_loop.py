"""The loop on a tiny model in this process: loss, learning rates, held-out loss, checkpoints."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, MixtralConfig

from mix665k.trainer.batching.sampler import MicroBatches
from mix665k.trainer.batching.types import Examples, Layout, Order
from mix665k.trainer.data.collate import Placeholders, collate
from mix665k.trainer.data.dataset import Example
from mix665k.trainer.model.cost import Flops
from mix665k.trainer.model.trainable import make_trainable
from mix665k.trainer.run.arguments import training_arguments
from mix665k.trainer.run.checkpoint import Complete, checkpoints
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.loop import StageTrainer
from mix665k.trainer.run.metrics import Metrics
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.model.test_attention import examples, load, saved
from tests.trainer.parts import IMAGE_PX, IMAGE_TOKEN_ID, TOKENS_PER_IMAGE

__all__ = ["saved"]
LABELS = {"a": 11, "b": 1, "c": 2, "d": 16}
"""Of each example, but for a first token's."""


@pytest.fixture
def make(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a trainer of four examples."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")

    def trainer(*sets: str, ranks: int = 1, model: Any = None) -> Any:
        given = ("zero=0", "bf16=false", "workers=0", "attention=segments", "gradient_checkpointing=false", *sets)
        stage = load_stage("finetune", given)
        job = Job(stage=stage, mixture="/m", images="/i", llm="/l", vision="/v", out=str(tmp_path), report_to="none")
        layout = Layout(ranks=1, accumulation=2, per_device_batch=2)
        rows = examples()
        lengths = torch.tensor([len(row["input_ids"]) for row in rows]).numpy()
        has_image = torch.tensor([row["pixel_values"] is not None for row in rows]).numpy()
        order = Order(mode=stage.batching, window=1, remainder="short", seed=1)
        trees = torch.arange(len(rows)).numpy()
        placeholders = Placeholders(
            pad_id=0, image_token_id=IMAGE_TOKEN_ID, tokens_per_image=TOKENS_PER_IMAGE, image_px=IMAGE_PX
        )
        return StageTrainer(
            stage=stage,
            batches=MicroBatches(
                Examples(lengths=lengths, has_image=has_image, words=lengths, trees=trees, shared=trees * 0),
                layout=layout,
                order=order,
                rank=0,
            ),
            metrics=Metrics(["made"], flops=Flops(token=1.0, label=1.0)),
            mixture_hash="a" * 64,
            model=make_trainable(model or load(saved, "segments").float(), stage),
            args=training_arguments(job, layout, universal=False),
            train_dataset=rows,
            eval_dataset=rows,
            data_collator=partial(collate, mode=stage.batching, placeholders=placeholders),
            callbacks=[],
        )

    return trainer


def batches(trainer: Any, *groups: list[int]) -> list[dict[str, Any]]:
    return [trainer.data_collator([trainer.train_dataset[index] for index in group]) for group in groups]


def expected_losses(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    """By the model alone, without hooks: float32 [n]."""
    given = {name: batch[name] for name in ("input_ids", "pixel_values")}
    with torch.no_grad():
        logits = trainer.model(**given, use_cache=False).logits.flatten(0, 1)[batch["label_positions"]]
    return cross_entropy(logits.float(), batch["targets"], reduction="none")


def test_the_loss_is_the_mean_over_the_labels_of_the_global_batch_however_they_are_shared_out(make: Any) -> None:
    trainer = make("batching=grouped")
    total = sum(LABELS.values())
    sums = []
    for groups in ([[0, 1], [2, 3]], [[0], [1, 2, 3]], [[3, 1, 2, 0]]):
        losses = [
            trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(total)).detach()
            for batch in batches(trainer, *groups)
        ]
        sums.append(float(sum(losses)))
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-5)
    single = [expected_losses(trainer, batch) for batch in batches(trainer, [0], [1], [2], [3])]
    assert [len(one) for one in single] == list(LABELS.values())
    assert sums[0] == pytest.approx(float(torch.cat(single).mean()), rel=1e-5)


def of_experts() -> Any:
    """A LLaVA with four experts in each of two layers."""
    sizes: Any = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = CLIPVisionConfig(image_size=IMAGE_PX, patch_size=14, **sizes)
    text = MixtralConfig(vocab_size=IMAGE_TOKEN_ID + 1, num_key_value_heads=1, num_local_experts=4, **sizes)
    config: Any = LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE_TOKEN_ID)
    config._attn_implementation = {"text_config": "segments", "vision_config": "sdpa"}
    torch.manual_seed(0)
    return LlavaForConditionalGeneration(config)


@pytest.mark.parametrize("recomputing", ["false", "true"])
def test_the_router_loss_is_weighted_as_its_micro_batch_is(make: Any, recomputing: str) -> None:
    sets = ("batching=grouped", "router_loss=0.5", f"gradient_checkpointing={recomputing}")
    trainer = make(*sets, model=of_experts())
    plain = make("batching=grouped", model=of_experts())
    labels = torch.tensor(sum(LABELS.values()))
    found = expected = 0.0
    for batch in batches(trainer, [0, 1], [2, 3]):
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=labels)
        loss.backward()
        without = plain.compute_loss(plain.model, batch, num_items_in_batch=labels)
        given = {name: batch[name] for name in ("input_ids", "attention_mask", "pixel_values")}
        with torch.no_grad(), trainer._routers.recording():
            trainer.model(**given, use_cache=False)
        uneven = trainer._routers.loss(batch["attention_mask"])
        found += float((loss - without).detach())
        expected += 0.5 * float(uneven) * len(batch["targets"]) / float(labels)
    assert found == pytest.approx(expected, rel=1e-4)
    assert expected > 0.9 * 0.5 * 2  # two experts of a token, nearly evenly taken
    assert all(layer.mlp.gate.weight.grad.abs().sum() > 0 for layer in trainer.model.model.language_model.layers)


def test_sharing_a_picture_changes_neither_loss_nor_router_loss_nor_held_out_loss(make: Any) -> None:
    a, b, c, d = examples()
    begin = len(a["input_ids"]) - 20
    ids = torch.cat([a["input_ids"][:begin], d["input_ids"]])
    labels = torch.where(torch.arange(len(ids)) < begin + 4, -100, ids)
    again: Example = {**a, "input_ids": ids, "labels": labels, "id": "again"}
    rows = [a, b, again, c]
    found = []
    for mode in ("padding_free", "shared_images"):
        trainer = make(f"batching={mode}", "router_loss=0.5", model=of_experts())
        trainer.train_dataset = trainer.eval_dataset = rows
        [batch] = batches(trainer, [0, 1, 2, 3])
        assert trainer._get_num_items_in_batch([batch], torch.device("cpu")) == len(batch["targets"])
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(len(batch["targets"])))
        loss.backward()
        gates = [layer.mlp.gate.weight.grad for layer in trainer.model.model.language_model.layers]
        of_sources = trainer.metrics.drain(lambda mine: [mine])["loss/made"]
        found.append(
            (float(loss), of_sources, trainer.evaluate()["eval_loss"], *(float(gate.norm()) for gate in gates))
        )
        computed = batch["input_ids"].numel()
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert computed == sum(len(row["input_ids"]) for row in rows) - begin


def test_a_global_batch_without_labels_has_no_loss(make: Any) -> None:
    trainer = make()
    [batch] = batches(trainer, [])
    loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(0))
    assert float(loss) == 0.0


def test_each_part_has_its_rate_and_biases_and_norms_no_decay(make: Any) -> None:
    trainer = make(
        "trains=[projector, language_model, vision_tower]", "lr=1e-3", "projector_lr=2e-3", "vision_tower_lr=3e-3",
        "weight_decay=0.1",
    )  # fmt: skip
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    found = {}
    for group in trainer.create_optimizer().param_groups:
        for parameter in group["params"]:
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    assert found.keys() == {name for name, value in trainer.model.named_parameters() if value.requires_grad}
    for name, (rate, decay) in found.items():
        part = "projector" if "projector" in name else "tower" if "vision_tower" in name else "rest"
        assert rate == {"projector": 2e-3, "tower": 3e-3, "rest": 1e-3}[part], name
        assert decay == (0.0 if name.endswith("bias") or "norm" in name else 0.1), name


def test_rates_that_a_stage_leaves_out_are_the_stages_own(make: Any) -> None:
    assert {group["lr"] for group in make("lr=1e-3").create_optimizer().param_groups} == {1e-3}


def test_held_out_loss_is_the_mean_over_labels_and_not_over_batches(make: Any) -> None:
    trainer = make("per_device_batch=2", "global_batch=4", "eval_fraction=0.5")
    trainer.model_wrapped = trainer.model
    found = trainer.evaluate()
    alone = batches(trainer, [0], [1], [2], [3])
    each = [expected_losses(trainer, batch) for batch in alone]
    assert found["eval_loss"] == pytest.approx(float(torch.cat(each).mean()), rel=1e-5)
    assert {name for batch in alone for name in batch["sources"]} == {key[10:] for key in found if "loss/" in key}
    for source in {batch["sources"][0] for batch in alone}:
        losses = torch.cat([one for one, batch in zip(each, alone, strict=True) if batch["sources"] == [source]])
        assert found[f"eval_loss/{source}"] == pytest.approx(float(losses.mean()), rel=1e-5)
        assert found[f"eval_labels/{source}"] == len(losses)
    assert found["eval_seconds"] > 0
    assert trainer.model.training


@pytest.mark.parametrize(("world", "expected"), [(1, [[[0, 1], [2, 3]]]), (2, [[[0, 2]], [[1, 3]]]), (3, None)])
def test_held_out_examples_are_shared_out_once_and_all_ranks_have_as_many_batches(
    make: Any, monkeypatch: pytest.MonkeyPatch, world: int, expected: list[list[list[int]]] | None
) -> None:
    trainer = make("per_device_batch=2", "global_batch=4")
    kind = type(trainer.args)
    shares = []
    for rank in range(world):
        monkeypatch.setattr(kind, "process_index", rank)
        monkeypatch.setattr(kind, "world_size", world)
        shares.append(list(trainer.get_eval_dataloader().batch_sampler))
    assert expected is None or shares == expected
    assert sorted(row for share in shares for batch in share for row in batch) == [0, 1, 2, 3]
    assert len({len(share) for share in shares}) == 1


@pytest.mark.parametrize("batching", ["grouped", "padding_free"])
def test_a_run_trains_saves_and_resumes_as_it_was(make: Any, tmp_path: Path, batching: str) -> None:
    sets = (f"batching={batching}", "max_steps=4", "save_steps=2", "global_batch=4", "per_device_batch=2", "lr=1e-2")
    whole = make(*sets)
    whole.train()
    assert [(path.name, done) for path, done in checkpoints(tmp_path)] == [
        (f"checkpoint-{step}", Complete(step=step, ranks=1, mixture="a" * 64, stage="finetune")) for step in (2, 4)
    ]
    weights = {name: value.clone() for name, value in whole.model.state_dict().items()}
    again = make(*sets)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert again.state.global_step == 4
    assert all(torch.equal(value, weights[name]) for name, value in again.model.state_dict().items())
    logged = [[line["loss"] for line in one.state.log_history if "loss" in line] for one in (whole, again)]
    assert logged[0] == logged[1]
    assert len(logged[0]) == 4


def test_only_the_newest_checkpoints_are_kept(make: Any, tmp_path: Path) -> None:
    make("max_steps=3", "save_steps=1", "keep_checkpoints=1", "global_batch=4", "per_device_batch=2").train()
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3"]
