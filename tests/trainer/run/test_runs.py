"""Real runs: stages, ranks, ZeRO, precision, resume."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mix665k.trainer.model.compose import PARTS
from mix665k.trainer.run.checkpoint import checkpoints
from mix665k.trainer.run.weights import load_trained
from tests.trainer.evaluation.asking import answers, ask, own_benchmark
from tests.trainer.running import ONE_THREAD, SMALL, Inputs, command, finetune, pretrain, run, steps_of, told

pytestmark = pytest.mark.slow
SHORT = ("--max-steps", "4")


@pytest.fixture(scope="module")
def plain(inputs: Inputs, projector: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stage 2 on one rank without DeepSpeed: what all others must equal."""
    out = tmp_path_factory.mktemp("plain") / "run"
    finetune(inputs, projector, out, *SHORT, sets=("zero=0", "save_steps=2", "eval_fraction=0.1", "eval_steps=2"))
    return out


def test_stage_1_changes_the_projector_and_nothing_else(first_stage: Path) -> None:
    assert _changed(first_stage) == {"projector"}


def test_stage_2_leaves_the_vision_tower_alone_bit_for_bit(plain: Path) -> None:
    assert _changed(plain) == {"projector", "language_model"}


def _changed(out: Path) -> set[str]:
    """The parts of which any weight differs from the run's start."""
    from transformers import LlavaForConditionalGeneration

    start = LlavaForConditionalGeneration.from_pretrained(out / "start", dtype=torch.float32).state_dict()
    trained = load_trained(checkpoints(out)[-1][0]).state_dict()
    names = [name for name, value in trained.items() if not torch.equal(value, start[name])]
    prefixes = PARTS | {"language_model": ("model.language_model.", "lm_head.")}
    return {part for part, prefix in prefixes.items() if any(name.startswith(prefix) for name in names)}


@pytest.mark.parametrize(("zero", "ranks"), [(0, 2), (2, 1), (2, 2), (3, 2)])
def test_ddp_and_deepspeed_give_the_losses_of_one_plain_rank(
    inputs: Inputs, projector: Path, plain: Path, tmp_path: Path, zero: int, ranks: int
) -> None:
    sets = (f"zero={zero}", "eval_fraction=0.1", "eval_steps=2")
    lines = finetune(inputs, projector, tmp_path / "run", *SHORT, "--nproc", str(ranks), sets=sets)
    expected = steps_of(plain)
    assert [line["samples"] for line in lines] == [line["samples"] for line in expected]
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in expected], rel=1e-5)
    assert [line["grad_norm"] for line in lines] == pytest.approx([line["grad_norm"] for line in expected], rel=1e-3)


@pytest.mark.parametrize(("zero", "ranks"), [(0, 1), (2, 2), (3, 2)])
def test_benchmarks_are_asked_during_training_as_train_eval_asks_and_change_no_loss(
    inputs: Inputs, projector: Path, plain: Path, tmp_path: Path, zero: int, ranks: int
) -> None:
    mine = own_benchmark(tmp_path)
    given = {"benchmarks": f"[{mine}]", "data": tmp_path, "images": tmp_path / "images", "every": 2, "questions": 14}
    sets = (f"zero={zero}", "save_steps=4", "eval_fraction=0.1", "eval_steps=2")
    asks = [f"evaluate.{name}={value}" for name, value in given.items()]
    lines = finetune(inputs, projector, tmp_path / "run", *SHORT, "--nproc", str(ranks), sets=(*sets, *asks))
    losses = [line["loss"] for line in steps_of(plain)]
    assert [line["loss"] for line in lines] == (losses if ranks == 1 else pytest.approx(losses, rel=1e-5))
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "benchmark/mine/accuracy" in line] == [2, 4]
    ask(tmp_path / "run", mine, tmp_path / "afterwards")
    asked = {one["question_id"]: one["text"] for one in map(json.loads, answers(tmp_path / "afterwards").splitlines())}
    during = [json.loads(line) for line in (tmp_path / "run/benchmarks/mine-4.jsonl").read_text().splitlines()]
    assert len(during) == 14
    assert [one["text"] for one in during] == [asked[one["question_id"]] for one in during]


def test_half_precision_trains(inputs: Inputs, projector: Path, plain: Path, tmp_path: Path) -> None:
    sets = ("bf16=true", "eval_fraction=0.1")
    lines = finetune(inputs, projector, tmp_path / "run", *SHORT, "--nproc", "2", sets=sets)
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in steps_of(plain)], rel=0.02)


def test_a_run_killed_and_run_again_equals_one_that_was_not(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    sets = ("zero=2", "save_steps=2", "batching=padding_free", "per_device_batch=2", "workers=1")
    whole = finetune(inputs, projector, tmp_path / "whole", "--max-steps", "6", sets=sets)
    given = [*inputs.options(), *inputs.models(), "--projector", str(projector), "--out", str(tmp_path / "killed")]
    line = command("finetune", *given, "--max-steps", "6", sets=(*SMALL, *sets))
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL, env=dict(os.environ) | ONE_THREAD)
    while not (tmp_path / "killed" / "checkpoint-2" / "complete.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    half = tmp_path / "killed" / "checkpoint-99"
    shutil.copytree(tmp_path / "killed" / "checkpoint-2", half)
    (half / "complete.json").unlink()
    again = finetune(inputs, projector, tmp_path / "killed", "--max-steps", "6", sets=sets)
    assert told(again) == told(whole)


def test_another_number_of_ranks_goes_on(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    sets = ("save_steps=2", "batching=padding_free")
    whole = finetune(inputs, projector, tmp_path / "run", *SHORT, "--nproc", "2", sets=sets)
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    again = finetune(inputs, projector, tmp_path / "run", *SHORT, sets=sets)
    assert [line["samples"] for line in again] == [line["samples"] for line in whole]
    assert [line["loss"] for line in again] == pytest.approx([line["loss"] for line in whole], rel=1e-5)


@pytest.mark.parametrize("zero", [0, 3])
def test_a_run_that_goes_on_for_more_steps_follows_its_own_schedule(
    inputs: Inputs, projector: Path, plain: Path, tmp_path: Path, zero: int
) -> None:
    for steps in ("2", "4"):
        lines = finetune(inputs, projector, tmp_path / "run", "--max-steps", steps, sets=(f"zero={zero}",))
    rates = [line["learning_rate"] for line in lines]
    assert rates[2:] == [line["learning_rate"] for line in steps_of(plain)][2:]
    assert rates[1] != rates[2]


def test_held_out_loss_is_measured_and_logged(plain: Path) -> None:
    text = (plain / "log.jsonl").read_text()
    assert text.count('"eval_loss"') == 2


def test_a_run_leaves_a_log_a_curve_and_loss_by_source(first_stage: Path) -> None:
    lines = steps_of(first_stage)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for line in lines:
        parts = [(line[f"loss/{name[7:]}"], count) for name, count in line.items() if name.startswith("labels/")]
        assert sum(loss * count for loss, count in parts) / sum(count for _, count in parts) == pytest.approx(
            line["loss"], rel=1e-4
        )
    assert (first_stage / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_another_mixture_is_refused(inputs: Inputs, first_stage: Path, tmp_path: Path) -> None:
    shutil.copytree(first_stage, tmp_path / "run")
    for folder in (tmp_path / "run").glob("checkpoint-*"):
        marker = folder / "complete.json"
        marker.write_text(marker.read_text().replace('"mixture":"', '"mixture":"0'))
    done = run("pretrain", *inputs.options(), *inputs.models(), "--out", tmp_path / "run", "--nproc", "2", sets=SMALL)
    assert done.returncode == 1
    assert "was trained on the mixture 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_adapters_and_projector_train_and_export_merges_them(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    from transformers import LlavaForConditionalGeneration

    sets = ("lora.r=4", "lora.alpha=8", "lora.dropout=0", "zero=2", "lr=1e-2")
    lines = finetune(inputs, projector, tmp_path / "run", *SHORT, sets=sets)
    assert run("export", tmp_path / "run", "--out", tmp_path / "model").returncode == 0
    model = LlavaForConditionalGeneration.from_pretrained(tmp_path / "model").state_dict()
    start = LlavaForConditionalGeneration.from_pretrained(tmp_path / "run" / "start").state_dict()
    changed = {name for name in start if not torch.equal(model[name], start[name])}
    assert len(lines) == 4
    assert set(model) == set(start)
    assert any("q_proj" in name for name in changed)
    assert any("multi_modal_projector" in name for name in changed)
    assert not any("vision_tower" in name or "embed_tokens" in name or "lm_head" in name for name in changed)


def test_adapters_are_drawn_from_the_seed_and_go_on_as_they_are(
    inputs: Inputs, projector: Path, tmp_path: Path
) -> None:
    sets = ("lora.r=4", "zero=0", "save_steps=2")
    one, other = (finetune(inputs, projector, tmp_path / name, *SHORT, sets=sets) for name in ("one", "other"))
    assert told(one) == told(other)
    given = [*inputs.options(), *inputs.models(), "--projector", str(projector), "--out", str(tmp_path / "one")]
    done = run("finetune", *given, *SHORT, sets=(*SMALL, "lora.r=8", "zero=2"))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "checkpoint-4: zero changed from 0 to 2; lora.r changed from 4 to 8; use the original value" in line
    assert line.endswith("use the original value or a new --out")
    done = run("finetune", *given, *SHORT, sets=(*SMALL, *sets, "global_batch=4", "lr=1e-3"))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    changed = "global_batch changed from 8 to 4; lr changed from 2e-05 to 0.001"
    assert line.endswith(f"checkpoint-4: {changed}; use the original value or a new --out")


@pytest.mark.parametrize("choice", ["blank", "drop"])
def test_a_broken_image_is_told_by_id_and_counted(
    inputs: Inputs, tmp_path: Path, choice: str, first_stage: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(inputs.images, images)
    for path in (images / "gqa").rglob("*.jpg"):
        path.write_bytes(b"GIF89a")
    own = inputs._replace(images=images)
    lines = pretrain(own, tmp_path / "run", "--max-steps", "12", "--on-bad-image", choice, sets=("save_steps=50",))
    assert sum(line.get("bad_images", 0) for line in lines) > 0
    assert any("gqa/" in line.get("bad_image_texts", "") for line in lines)
    assert steps_of(first_stage)[0]["samples"] == lines[0]["samples"]


def test_a_step_without_any_label_leaves_the_loss_a_number(inputs: Inputs, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(inputs.images, images)
    for path in images.rglob("*.jpg"):
        path.write_bytes(b"GIF89a")
    own = inputs._replace(images=images)
    lines = pretrain(own, tmp_path / "run", "--max-steps", "6", "--on-bad-image", "drop", sets=("save_steps=50",))
    losses = [line["loss"] for line in lines]
    assert 0.0 in losses
    assert all(math.isfinite(loss) for loss in losses)


def test_a_vision_tower_learns_without_deepspeed_too(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    sets = ("zero=0", "trains=[projector, language_model, vision_tower]")
    lines = finetune(inputs, projector, tmp_path / "run", "--max-steps", "2", sets=sets)
    assert len(lines) == 2
    assert _changed(tmp_path / "run") == {"projector", "language_model", "vision_tower"}


def test_a_missing_image_stops_the_run_before_it_starts(inputs: Inputs, tmp_path: Path) -> None:
    own = inputs._replace(images=tmp_path)
    done = run("pretrain", *own.options(), *own.models(), "--out", tmp_path / "run", sets=SMALL)
    assert done.returncode == 1
    assert "images are missing, the first is coco/" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def torchrun(name: str, *options: str | Path, sets: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """A command that torchrun starts as two ranks."""
    line = ["torchrun", "--standalone", "--nproc_per_node", "2", "--no-python", *command(name, *options, sets=sets)]
    line[0] = str(Path(sys.executable).with_name("torchrun"))
    return subprocess.run(line, capture_output=True, text=True, check=False, env=dict(os.environ) | ONE_THREAD)


def test_torchrun_starts_the_same_run(inputs: Inputs, projector: Path, plain: Path, tmp_path: Path) -> None:
    sets = ("zero=2", "eval_fraction=0.1")
    given = [*inputs.options(), *inputs.models(), "--projector", str(projector), "--out", str(tmp_path / "run")]
    done = torchrun("finetune", *given, *SHORT, sets=(*SMALL, *sets))
    assert done.returncode == 0, done.stderr[:4000]
    losses = [line["loss"] for line in steps_of(tmp_path / "run")]
    assert losses == pytest.approx([line["loss"] for line in steps_of(plain)], rel=1e-5)


def test_what_rank_0_finds_wrong_ends_all_ranks(inputs: Inputs, tmp_path: Path) -> None:
    own = inputs._replace(images=tmp_path / "nowhere")
    done = torchrun("pretrain", *own.options(), *own.models(), "--out", tmp_path / "run", sets=SMALL)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: --images {tmp_path}/nowhere: no such folder"] * 2


def test_stage_1_runs_under_zero_3_where_text_and_images_meet(
    inputs: Inputs, first_stage: Path, tmp_path: Path
) -> None:
    lines = pretrain(inputs, tmp_path / "run", "--nproc", "2", "--max-steps", "4", sets=("zero=3",))
    expected = steps_of(first_stage)
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in expected], rel=1e-5)
    assert _changed(tmp_path / "run") == {"projector"}


def test_two_runs_of_one_rank_go_side_by_side(inputs: Inputs, tmp_path: Path) -> None:
    given = [*inputs.options(), *inputs.models(), "--max-steps", "3"]
    lines = [command("pretrain", *given, "--out", tmp_path / name, sets=SMALL) for name in ("one", "two")]
    environment = dict(os.environ) | ONE_THREAD
    runs = [subprocess.Popen(line, stderr=subprocess.DEVNULL, env=environment) for line in lines]
    assert [process.wait() for process in runs] == [0, 0]
    assert told(steps_of(tmp_path / "one")) == told(steps_of(tmp_path / "two"))


def test_llavas_loss_on_two_ranks_is_that_of_two_accumulated_micro_batches(
    inputs: Inputs, projector: Path, tmp_path: Path
) -> None:
    """The same micro-batches: averaged by the ranks, or by accumulation, under DDP as under ZeRO."""
    runs = {
        (zero, ranks): finetune(
            inputs,
            projector,
            tmp_path / f"{zero}-{ranks}",
            *("--stage", "llava-exact-finetune", "--max-steps", "3", "--nproc", str(ranks)),
            sets=(f"zero={zero}",),
        )
        for zero, ranks in ((0, 1), (0, 2), (2, 2))
    }
    expected = runs[0, 1]
    for lines in runs.values():
        assert [line["samples"] for line in lines] == [line["samples"] for line in expected]
        assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in expected], rel=1e-5)
        assert [line["grad_norm"] for line in lines] == pytest.approx(
            [line["grad_norm"] for line in expected], rel=1e-3
        )


def test_a_linear_projector_goes_on_into_stage_2_and_stays_linear(inputs: Inputs, tmp_path: Path) -> None:
    sets = ("zero=0", "projector_type=linear")
    pretrain(inputs, tmp_path / "one", "--max-steps", "2", sets=sets)
    given = [*inputs.options(), "--from", str(tmp_path / "one"), "--out", str(tmp_path / "two")]
    done = run("finetune", *given, "--max-steps", "2", sets=(*SMALL, "zero=0", "template=v1"))
    assert done.returncode == 0, done.stderr[:6000]
    assert _changed(tmp_path / "two") == {"projector", "language_model"}
    projector = load_trained(checkpoints(tmp_path / "two")[-1][0]).model.multi_modal_projector
    assert torch.equal(projector.linear_2.weight, torch.eye(len(projector.linear_2.weight)))
    features = torch.randn(3, projector.linear_1.in_features)
    assert torch.equal(projector(features), projector.linear_1(features))
