"""What lies in a run's folder: where it started, what may go on there, and who else is writing."""

import shutil
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from mix665k.schemas.errors import ModelError, TrainingError
from mix665k.trainer.run.checkpoint import Complete, checkpoints, mark_complete, mark_incomplete, remove_older
from mix665k.trainer.run.job import Job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_model import make_start
from mix665k.trainer.run.weights import load_trained
from tests.trainer.mixtures import record, write_mixture
from tests.trainer.running import SMALL, Inputs, finetune, pretrain, run, steps_of

ONE = "0" * 64


def job(inputs: Inputs, out: Path, *, seed: int = 42, projector: Path | None = None) -> Job:
    return Job(
        stage=load_stage("finetune", [f"seed={seed}", "template=v1"]),
        mixture=str(inputs.mixture),
        images=str(inputs.images),
        llm=str(inputs.llm),
        vision=str(inputs.vision),
        out=str(out),
        projector=str(projector) if projector else None,
    )


def start_of(out: Path) -> bytes:
    return (out / "start" / "model.safetensors").read_bytes()


def test_a_start_of_other_parts_is_made_anew_while_there_is_no_checkpoint(
    inputs: Inputs, first_stage: Path, tmp_path: Path
) -> None:
    make_start(job(inputs, tmp_path / "fresh", seed=2))
    make_start(job(inputs, tmp_path / "run", seed=1))
    assert start_of(tmp_path / "run") != start_of(tmp_path / "fresh")
    make_start(job(inputs, tmp_path / "run", seed=2))
    assert start_of(tmp_path / "run") == start_of(tmp_path / "fresh")
    make_start(job(inputs, tmp_path / "run", seed=2, projector=first_stage))
    assert start_of(tmp_path / "run") != start_of(tmp_path / "fresh")


def test_a_start_that_is_whole_stays(inputs: Inputs, tmp_path: Path) -> None:
    make_start(job(inputs, tmp_path))
    (tmp_path / "start" / "mark").touch()
    make_start(job(inputs, tmp_path))
    assert (tmp_path / "start" / "mark").exists()
    (tmp_path / "start.json").unlink()
    make_start(job(inputs, tmp_path))
    assert not (tmp_path / "start" / "mark").exists()


def test_a_checkpoint_that_started_otherwise_is_not_gone_on_from(
    inputs: Inputs, first_stage: Path, projector: Path, tmp_path: Path
) -> None:
    make_start(job(inputs, tmp_path, projector=first_stage))
    folder = tmp_path / "checkpoint-2"
    folder.mkdir()
    mark_complete(folder, Complete(step=2, ranks=1, mixture=ONE, stage="finetune"))
    before = (tmp_path / "projector.safetensors").read_bytes()
    with pytest.raises(
        TrainingError, match=r"projector changed from .*checkpoint-4 of mixture .* to sha256 .*; use the original value"
    ):
        make_start(job(inputs, tmp_path, projector=projector))
    assert (tmp_path / "projector.safetensors").read_bytes() == before
    with pytest.raises(TrainingError, match=r"--projector .*nope.safetensors: no such file"):
        make_start(job(inputs, tmp_path, projector=tmp_path / "nope.safetensors"))


@pytest.mark.parametrize("found", [[1, 2], {"linear_1.weight": 1}])
def test_a_projector_that_holds_no_tensors_is_told(inputs: Inputs, tmp_path: Path, found: object) -> None:
    torch.save(found, tmp_path / "p.bin")
    with pytest.raises(ModelError, match=r"p\.bin: expected tensors by name"):
        make_start(job(inputs, tmp_path / "run", projector=tmp_path / "p.bin"))


def test_a_checkpoint_that_is_written_anew_is_none_meanwhile(tmp_path: Path) -> None:
    mark_incomplete(tmp_path / "checkpoint-3")
    (tmp_path / "checkpoint-3").mkdir()
    mark_complete(tmp_path / "checkpoint-3", Complete(step=3, ranks=1, mixture=ONE, stage="finetune"))
    mark_incomplete(tmp_path / "checkpoint-3")
    assert checkpoints(tmp_path) == []


def test_older_checkpoints_go_by_number_and_only_complete_ones_are_counted(tmp_path: Path) -> None:
    for step in (2, 4, 8, 9, 10, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if step not in (4, 9, 12):
            mark_complete(tmp_path / f"checkpoint-{step}", Complete(step=step, ranks=1, mixture=ONE, stage="finetune"))
    remove_older(tmp_path, step=10, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-10",
        "checkpoint-12",
        "checkpoint-8",
        "checkpoint-9",
    ]


def test_a_checkpoint_behind_the_newest_does_not_go_as_soon_as_it_is_written(tmp_path: Path) -> None:
    for step in (4, 6, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        mark_complete(tmp_path / f"checkpoint-{step}", Complete(step=step, ranks=1, mixture=ONE, stage="finetune"))
    remove_older(tmp_path, step=6, keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-6"]


@pytest.mark.slow
def test_a_finished_run_trains_no_step_more(inputs: Inputs, tmp_path: Path) -> None:
    given: list[str | Path] = [*inputs.options(), *inputs.models(), "--out", tmp_path / "run", "--max-steps"]
    lines = pretrain(inputs, tmp_path / "run", "--max-steps", "2")
    again = run("pretrain", *given, "2", sets=SMALL)
    assert again.returncode == 0
    assert again.stderr.splitlines() == [f"{tmp_path}/run/checkpoint-2: nothing left to train"]
    past = run("pretrain", *given, "1", sets=SMALL)
    assert past.returncode == 1
    assert past.stderr.splitlines() == [
        f"error: {tmp_path}/run/checkpoint-2: is past --max-steps 1; give more steps, or another --out"
    ]
    assert steps_of(tmp_path / "run") == lines
    more = run("pretrain", *given, "3", sets=SMALL)
    assert more.stderr.splitlines()[0] == f"resuming from {tmp_path}/run/checkpoint-2"
    assert [line["step"] for line in steps_of(tmp_path / "run")] == [1, 2, 3]


def test_two_runs_do_not_write_into_one_folder(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        done = run("pretrain", *inputs.options(), *inputs.models(), "--out", tmp_path / "run", sets=SMALL)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/run: another run is training here; wait for it, or name another --out"
    ]


def test_a_run_that_was_moved_is_read_where_it_is(first_stage: Path, tmp_path: Path) -> None:
    shutil.copytree(first_stage, tmp_path / "moved")
    load_trained(tmp_path / "moved" / "checkpoint-4")
    shutil.rmtree(tmp_path / "moved" / "start")
    with pytest.raises(ModelError, match="moved/start"):
        load_trained(tmp_path / "moved" / "checkpoint-4")


def test_stage_1s_own_models_are_gone_on_with(inputs: Inputs, first_stage: Path, tmp_path: Path) -> None:
    given: list[str | Path] = [*inputs.options(), "--from", first_stage, "--out", tmp_path / "run"]
    done = run("finetune", *given, "--llm", inputs.llm, sets=SMALL)
    assert done.returncode == 2
    assert "go with a projector file" in done.stderr
    assert run("finetune", *given, "--dry-run", sets=SMALL).returncode == 0
    assert run("finetune", *given, sets=(*SMALL, "lrr=1")).returncode == 1
    assert not (tmp_path / "run").exists()


def test_captions_without_images_teach_a_projector_nothing(inputs: Inputs, tmp_path: Path) -> None:
    own = inputs._replace(mixture=write_mixture(tmp_path / "mixture", [record("chat/0", "Hello?", "Hello.")]))
    done = run("pretrain", *own.options(), *own.models(), "--out", tmp_path / "run", sets=SMALL)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/mixture: no record has an image, and stage pretrain learns from images only"
    ]


@pytest.mark.slow
def test_what_one_rank_meets_is_told_once(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(inputs.images, images)
    for path in images.rglob("*.jpg"):
        path.write_bytes(b"GIF89a")
    own = inputs._replace(images=images)
    given: list[str | Path] = [*own.options(), *own.models(), "--projector", projector, "--out", tmp_path / "run"]
    done = run("finetune", *given, "--nproc", "2", sets=SMALL)
    assert done.returncode == 1
    start, *errors = done.stderr.splitlines()
    assert start.startswith("starting from ")
    assert 1 <= len(errors) <= 2
    assert all(line.startswith("error: rank ") for line in errors)


def test_stage_2_takes_the_projector_of_a_run(
    inputs: Inputs, first_stage: Path, projector: Path, tmp_path: Path
) -> None:
    sets = ("zero=0", "save_steps=5")
    expected = finetune(inputs, projector, tmp_path / "file", "--max-steps", "1", sets=sets)
    given: list[str | Path] = [*inputs.options(), "--from", first_stage, "--out", tmp_path / "run", "--max-steps", "1"]
    assert run("finetune", *given, sets=(*SMALL, *sets)).returncode == 0
    assert steps_of(tmp_path / "run")[0]["loss"] == expected[0]["loss"]
