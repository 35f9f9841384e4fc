"""What is refused before a run starts, and what may change when one is resumed."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import StageError, TrainingError
from mix665k.trainer.run import launch as module
from mix665k.trainer.run.checkpoint import Complete, mark_complete
from mix665k.trainer.run.job import Job, read_job, write_job
from mix665k.trainer.run.launch import launch, require_attention, require_images, require_same_run, where_stopped
from mix665k.trainer.run.stage_files import load_stage
from tests.trainer.mixtures import record, write_mixture

CHANGES = {
    "zero": ("zero=2", "3 to 2"),
    "lora": ("lora.r=4", r"None to Lora\(r=4, alpha=256, dropout=0.05, .*\)"),
    "trains": ("trains=[projector]", r"\['projector', 'language_model'\] to \['projector'\]"),
    "bf16": ("bf16=false", "True to False"),
    "seed": ("seed=1", "42 to 1"),
    "global_batch": ("global_batch=64", "128 to 64"),
    "batching": ("batching=padding_free", "grouped to padding_free"),
    "window": ("window=2", "50 to 2"),
    "remainder": ("remainder=drop", "short to drop"),
    "eval_fraction": ("eval_fraction=0.5", "0.0 to 0.5"),
    "template": ("template=plain", "auto to plain"),
    "max_tokens": ("max_tokens=100", "2048 to 100"),
    "lr": ("lr=1e-3", "2e-05 to 0.001"),
    "projector_lr": ("projector_lr=1e-3", "None to 0.001"),
    "vision_tower_lr": ("vision_tower_lr=1e-3", "None to 0.001"),
    "weight_decay": ("weight_decay=0.1", "0.0 to 0.1"),
}
FREE = ("epochs=2", "max_steps=9", "schedule=linear", "workers=0", "per_device_batch=8", "save_steps=3", "log_steps=2")


def job(out: Path, *sets: str, stage: str = "finetune", **changed: Any) -> Job:
    given: dict[str, Any] = {"mixture": "/m", "images": "/i", "llm": "/l", "vision": "/v", "out": str(out)}
    return Job(stage=load_stage(stage, sets), **given | changed)


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_that_would_not_continue_as_it_was_is_refused(tmp_path: Path, name: str) -> None:
    override, change = CHANGES[name]
    write_job(job(tmp_path))
    with pytest.raises(
        TrainingError, match=rf"checkpoint-4: {name} changed from {change}; use the original value or a new --out$"
    ):
        require_same_run(job(tmp_path, override), tmp_path / "checkpoint-4")


@pytest.mark.parametrize("override", FREE)
def test_what_a_checkpoint_does_not_hold_may_change(tmp_path: Path, override: str) -> None:
    write_job(job(tmp_path))
    require_same_run(job(tmp_path, override), tmp_path / "checkpoint-4")


@pytest.mark.parametrize(
    ("steps", "saved", "resume", "told"),
    [
        (0, False, "auto", "before the first step; no checkpoint is complete, the same command starts again"),
        (3, False, "auto", "after step 3; no checkpoint is complete, the same command starts again"),
        (3, True, "auto", "after step 3; the same command resumes from {}/checkpoint-2"),
        (3, True, "no", "after step 3; the same command with --resume auto resumes from {}/checkpoint-2"),
    ],
)
def test_an_interrupted_run_says_where_it_is_and_how_it_goes_on(
    tmp_path: Path, steps: int, saved: bool, resume: str, told: str
) -> None:
    lines = [f'{{"step": {step}, "loss": 1.0}}' for step in range(1, steps + 1)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"step": 4, "train_runtime": 1.0}']))
    if saved:
        (tmp_path / "checkpoint-2").mkdir()
        mark_complete(tmp_path / "checkpoint-2", Complete(step=2, ranks=1, mixture="a", stage="finetune"))
    assert where_stopped(job(tmp_path, resume=resume)) == told.format(tmp_path)


def test_an_interruption_of_a_run_says_more_than_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(job: Job) -> Job:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "prepare", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^before the first step; no checkpoint is complete"):
        launch(job(tmp_path), nproc=1)


def test_a_checkpoint_of_no_known_run_is_not_compared(tmp_path: Path) -> None:
    require_same_run(job(tmp_path, "lr=1e-3"), tmp_path / "checkpoint-4")


def test_a_job_is_read_as_it_was_written_but_for_where_it_is(tmp_path: Path) -> None:
    written = job(tmp_path / "before", "lora.r=4", projector="/p", resume="no", report_to="none", on_bad_image="drop")
    write_job(written)
    (tmp_path / "before").rename(tmp_path / "after")
    found = read_job(tmp_path / "after" / "job.json")
    assert found.out == str(tmp_path / "after")
    assert [name for name in Job.__struct_fields__ if getattr(found, name) != getattr(written, name)] == ["out"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file or directory, expected a run's folder"),
        (b"{", "expected a job that this version wrote; if a newer version wrote it, git pull && pip install -e ."),
    ],
)
def test_a_file_that_is_no_job_is_one_line(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(TrainingError, match=rf"^{tmp_path}/job.json: .*{why}$"):
        read_job(tmp_path / "job.json")


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    """Two records of one image, one of another, one of none."""
    asked = [("a/1", "x.jpg"), ("a/2", "x.jpg"), ("a/3", "y.jpg")]
    rows = [record(name, "<image>\nWhat?", "This.", image=image) for name, image in asked]
    return write_mixture(tmp_path / "few", [*rows, record("a/4", "Why?", "So.")])


def test_missing_images_are_counted_once_each_and_refused(tmp_path: Path, mixture: Path) -> None:
    images = tmp_path / "images"
    asked = {"mixture": str(mixture), "images": str(images)}
    with pytest.raises(TrainingError, match=rf"^--images {images}: no such folder$"):
        require_images(job(tmp_path / "run", **asked))
    images.mkdir()
    (images / "x.jpg").touch()
    with pytest.raises(
        TrainingError,
        match=rf"^{images}: 1 of 2 images are missing, the first is y.jpg; download them, or pass --on-bad-image",
    ):
        require_images(job(tmp_path / "run", **asked))
    (images / "y.jpg").touch()
    require_images(job(tmp_path / "run", **asked))


@pytest.mark.parametrize(("choice", "become"), [("blank", "blank"), ("drop", "records without a label")])
def test_missing_images_that_are_accepted_are_a_line_on_stderr(
    tmp_path: Path, mixture: Path, capsys: pytest.CaptureFixture[str], choice: str, become: str
) -> None:
    require_images(job(tmp_path / "run", mixture=str(mixture), images=str(tmp_path), on_bad_image=choice))
    assert capsys.readouterr().err == (
        f"{tmp_path}: 2 of 2 images are missing, the first is x.jpg; they become {become}\n"
    )


@pytest.mark.parametrize(("stage", "refused"), [("pretrain", True), ("finetune", False)])
def test_a_mixture_without_images_teaches_a_projector_alone_nothing(tmp_path: Path, stage: str, refused: bool) -> None:
    texts = write_mixture(tmp_path / "texts", [record("a/4", "Why?", "So.")])
    asked = job(tmp_path / "run", stage=stage, mixture=str(texts), images=str(tmp_path))
    if refused:
        with pytest.raises(TrainingError, match="no record has an image, and stage pretrain learns from images only"):
            require_images(asked)
    else:
        require_images(asked)


@pytest.mark.parametrize("attention", ["auto", "eager", "sdpa", "segments"])
def test_attention_that_torch_brings_is_always_there(attention: str) -> None:
    require_attention(load_stage("finetune", [f"attention={attention}"]))


def test_a_batch_that_cannot_be_shared_out_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="global_batch 128 is no multiple of per_device_batch 16 x 3 ranks = 48"):
        launch(job(tmp_path / "run"), nproc=3)
    assert not (tmp_path / "run").exists()
