"""A stage in the words of Trainer and DeepSpeed."""

from pathlib import Path
from typing import Any

from mix665k.trainer.batching.types import Layout
from mix665k.trainer.run.arguments import training_arguments
from mix665k.trainer.run.job import Job, Reporter
from mix665k.trainer.run.stage_files import load_stage

SETS = [
    "lr=3e-4",
    "per_device_batch=2",
    "epochs=1.5",
    "max_steps=7",
    "schedule=linear",
    "warmup_ratio=0.25",
    "weight_decay=0.125",
    "max_grad_norm=0.5",
    "bf16=false",
    "log_steps=3",
    "save_steps=11",
    "seed=5",
    "workers=2",
    "zero=0",
    "eval_fraction=0.1",
    "eval_steps=13",
]


def arguments(out: Path, *sets: str, report_to: Reporter = "none") -> Any:
    stage = load_stage("finetune", sets)
    job = Job(stage=stage, mixture="/m", images="/i", llm="/l", vision="/v", out=str(out), report_to=report_to)
    return training_arguments(job, Layout(ranks=1, accumulation=4, per_device_batch=2), universal=False)


def test_every_value_of_a_stage_reaches_the_trainer(tmp_path: Path) -> None:
    found = arguments(tmp_path / "out", *SETS)
    expected = {
        "output_dir": str(tmp_path / "out"),
        "learning_rate": 3e-4,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
        "num_train_epochs": 1.5,
        "max_steps": 7,
        "lr_scheduler_type": "linear",
        "weight_decay": 0.125,
        "max_grad_norm": 0.5,
        "bf16": False,
        "logging_steps": 3,
        "save_steps": 11,
        "seed": 5,
        "data_seed": 5,
        "dataloader_num_workers": 2,
        "deepspeed": None,
        "eval_steps": 13,
        "eval_strategy": "steps",
        "save_total_limit": None,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "logging_nan_inf_filter": False,
        "tf32": None,
    }
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.get_warmup_steps(100) == 25


def test_without_a_last_step_the_epochs_count_and_nothing_is_evaluated_unless_held_out(tmp_path: Path) -> None:
    found = arguments(tmp_path, "zero=0", "bf16=false")
    assert (found.max_steps, found.num_train_epochs, found.eval_strategy) == (-1, 1.0, "no")
    assert found.report_to == []
    assert arguments(tmp_path, "zero=0", "bf16=false", report_to="tensorboard").report_to == ["tensorboard"]
