"""The benchmark for a GPU runs without one, on tiny shapes."""

from pathlib import Path

import pytest

from benchmarks.train_gpu import KINDS, SELECTIVE, measure, prepare, row
from tests.trainer.running import Inputs


@pytest.mark.slow
def test_the_benchmark_for_a_gpu_rehearses_without_one(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for stage in ("pretrain", "finetune"):
        (tmp_path / stage).symlink_to(inputs.mixture)
        (tmp_path / "images" / stage).symlink_to(inputs.images)
    prepare(tmp_path, "tiny")
    [kind] = [kind for kind in KINDS if SELECTIVE in kind.sets]
    found = measure(kind, tmp_path, rehearse=True)
    assert isinstance(found, dict)
    assert found["samples_per_s"] > 0
    assert row(kind, found).count("|") == 7
