"""What becomes of a checkpoint, or a model, that is not whole."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mix665k.schemas.errors import ModelError, TrainingError
from mix665k.schemas.files import held
from mix665k.trainer.export import export, model_card
from mix665k.trainer.generate import generate
from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.weights import write_projector


def plain_run(folder: Path) -> Path:
    """A run without DeepSpeed that wrote one checkpoint, of a projector only."""
    stage = load_stage("pretrain", ["zero=0"])
    write_job(Job(stage=stage, mixture="/m", images="/i", llm="/llm", vision="/vision", out=str(folder)))
    add_checkpoint(folder, 4)
    return folder


def add_checkpoint(run: Path, step: int) -> Path:
    made = run / f"checkpoint-{step}"
    made.mkdir()
    save_file({"model.multi_modal_projector.linear_1.bias": torch.ones(2)}, made / "weights.safetensors")
    mark_complete(made, Complete(step=step, ranks=1, mixture="a" * 64, stage="pretrain"))
    return made


def _lost(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage\n")


def _halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("harm", [_lost, _cut, _emptied, _garbage])
def test_a_damaged_plain_checkpoint_is_one_line(tmp_path: Path, harm: Any) -> None:
    run = plain_run(tmp_path / "run")
    assert write_projector(run, tmp_path / "projector.safetensors").is_file()
    harm(run / "checkpoint-4" / "weights.safetensors")

    with pytest.raises(
        TrainingError, match=r"^\S+/checkpoint-4: its weights cannot be read: .+; train again to another --out$"
    ):
        write_projector(run, tmp_path / "again.safetensors")
    assert not (tmp_path / "again.safetensors").exists()


def test_another_checkpoint_of_the_run_is_named_where_there_is_one(tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run")
    _cut(add_checkpoint(run, 8) / "weights.safetensors")

    with pytest.raises(
        TrainingError, match=rf"checkpoint-8: .+; name {run}/checkpoint-4, or resume from it with --resume$"
    ):
        write_projector(run, tmp_path / "projector.safetensors")
    assert write_projector(run / "checkpoint-4", tmp_path / "projector.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("harm", [_lost, _halved, _emptied, _garbage])
def test_a_damaged_checkpoint_of_deepspeed_is_one_line(tmp_path: Path, first_stage: Path, harm: Any) -> None:
    shutil.copytree(first_stage, tmp_path / "run")
    harm(tmp_path / "run/checkpoint-4/global_step4/mp_rank_00_model_states.pt")

    with pytest.raises(TrainingError, match=r"checkpoint-4: its weights cannot be read: .+; name \S+/checkpoint-2, or"):
        export(tmp_path / "run", tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_lost_start_model_is_one_line(tmp_path: Path, first_stage: Path) -> None:
    shutil.copytree(first_stage, tmp_path / "run")
    job = tmp_path / "run/job.json"
    job.write_text(job.read_text().replace(str(first_stage), str(tmp_path / "run")))
    shutil.rmtree(tmp_path / "run/start")

    with pytest.raises(ModelError, match="run/start: cannot be loaded as a LLaVA model: "):
        export(tmp_path / "run", tmp_path / "model")


@pytest.mark.parametrize("name", ["/nope", "./nope", "~nope/model", "a/b/c"])
def test_a_model_folder_that_is_not_there_is_told_so(name: str) -> None:
    with pytest.raises(ModelError, match=f"^{name}: no such folder, expected a model; `train export RUN --out DIR`"):
        generate(name, prompt="What?", images=[], max_new_tokens=1)


@pytest.mark.parametrize(
    ("template", "shown"),
    [("plain", "plain"), ("{start: '|', human: '|', reply: '|', end: '</s>'}", "its own, as Jinja in `chat_template.")],
)
def test_a_template_of_ones_own_does_not_break_the_cards_table(tmp_path: Path, template: str, shown: str) -> None:
    stage = load_stage("pretrain", [f"template={template}"])
    job = Job(stage=stage, mixture="/m", images="/i", llm="/llm", vision="/vision", out=str(tmp_path))
    card = model_card(job, Complete(step=4, ranks=1, mixture="a" * 64, stage="pretrain"))
    [row] = [line for line in card.splitlines() if line.startswith("| template |")]
    assert row.startswith(f"| template | {shown}")
    assert row.count("|") == 3


def test_of_two_exports_into_one_folder_the_second_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run")
    part = tmp_path / ".model.part"
    part.mkdir()
    (part / "half").write_text("of the first")
    with (
        held(tmp_path / ".model.lock", busy=None),
        pytest.raises(TrainingError, match=r"/model: another export is writing this folder; wait for it, or name"),
    ):
        export(run, tmp_path / "model")
    assert (part / "half").read_text() == "of the first"
    with pytest.raises(ModelError):  # the start model of this run is nowhere
        export(run, tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
