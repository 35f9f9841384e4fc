"""What a mixture's recipe holds out is what a run measures, unless something else is asked for."""

import shutil
from pathlib import Path

import msgspec
import pytest

from mix665k.schemas.errors import TrainingError
from mix665k.schemas.manifest import HELD_OUT, HeldOut, load_manifest, write_manifest
from mix665k.trainer.commands import _job
from mix665k.trainer.run.job import held_out_of
from mix665k.trainer.run.stage_files import load_stage
from mix665k.trainer.run.start_from import of_parts
from tests.trainer.mixtures import record, write_mixture


def holding_out(folder: Path) -> Path:
    """A mixture of which one record is held out."""
    mixture = write_mixture(folder, [record(f"a/{k}", "Why?", "So.") for k in range(3)])
    part = write_mixture(folder / HELD_OUT, [record("a/3", "Why?", "So.")])
    held = HeldOut(row_hash=load_manifest(part).row_hash, seed=1, drawn=1, of=4, records=1)
    write_manifest(mixture, msgspec.structs.replace(load_manifest(mixture), held_out=held))
    return mixture


def asked(mixture: Path, *sets: str, eval_mixture: Path | None = None) -> str | None:
    """The mixture whose loss a job measures."""
    stage = load_stage("finetune", sets)
    start = of_parts(None, None)
    return _job(
        stage, mixture=mixture, images=mixture, out=mixture, start=start, eval_mixture=eval_mixture
    ).eval_mixture


def test_a_run_measures_what_the_recipe_holds_out_unless_told_otherwise(tmp_path: Path) -> None:
    mixture = holding_out(tmp_path / "mixture")
    assert asked(mixture) == str(tmp_path / "mixture" / "held_out")
    assert asked(mixture, eval_mixture=tmp_path) == str(tmp_path)
    assert asked(mixture, "eval_fraction=0.1") is None
    assert asked(tmp_path / "none") is None


def test_a_mixture_beside_that_is_another_one_is_refused_or_no_part_of_it(tmp_path: Path) -> None:
    mixture = holding_out(tmp_path / "mixture")
    shutil.rmtree(mixture / HELD_OUT)
    write_mixture(mixture / HELD_OUT, [record("a/4", "Why?", "So.")])
    with pytest.raises(TrainingError, match=r"held_out: row hash \w{16}, expected \w{16}, what .*mixture holds out"):
        held_out_of(mixture)
    write_manifest(mixture, msgspec.structs.replace(load_manifest(mixture), held_out=None))
    assert held_out_of(mixture) is None
