"""The benchmark for a GPU runs without one, on tiny shapes; what one row meets does not end the others."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.rival import Padding
from benchmarks.train_cpu import over_time
from benchmarks.train_gpu import FLASH, KINDS, SELECTIVE, SHARED, Kind, main, measure, prepare, row
from tests.trainer.running import Inputs

KIND = Kind("stage 2, sdpa", "finetune", ("attention=sdpa",))


def let_rows_end(monkeypatch: pytest.MonkeyPatch, *, code: int, out: str, err: str) -> None:
    done = subprocess.CompletedProcess([], code, out, err)
    monkeypatch.setattr("benchmarks.train_gpu.subprocess.run", lambda *_, **__: done)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "out of memory"),
        ("torch.AcceleratorError: CUDA error: out of memory", "out of memory"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`", "out of memory"),
        ("KeyError: 'seconds'", "failed"),
    ],
)
def test_a_row_that_ends_badly_says_how_and_shows_its_error(
    error: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_rows_end(monkeypatch, code=1, out="counting tokens\n", err=f"Traceback\n{error}\n")
    assert measure(KIND, tmp_path, rehearse=True) == found
    assert error in capsys.readouterr().err
    assert row(KIND, found) == f"| stage 2, sdpa | {found} | | | | |"


def test_a_row_that_ends_well_gives_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_rows_end(monkeypatch, code=0, out='a warning: out of memory\n{"samples_per_s": 2.0}\n', err="")
    assert measure(KIND, tmp_path, rehearse=True) == {"samples_per_s": 2.0}


@pytest.mark.parametrize(("bad", "code"), [("failed", 1), ("out of memory", None)])
def test_a_failed_row_stands_in_the_table_beside_the_others_and_the_exit_status_tells(
    bad: str, code: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {kind.name: {"samples_per_s": 1.5} for kind in KINDS[1:]}
    monkeypatch.setattr("benchmarks.train_gpu.prepare", lambda folder, shape: None)
    monkeypatch.setattr("benchmarks.train_gpu.measure", lambda kind, folder, rehearse: results.get(kind.name, bad))
    exit_code = None
    try:
        main(rehearse=True)
    except SystemExit as end:
        exit_code = end.code
    table = capsys.readouterr().out
    assert f"| {KINDS[0].name} | {bad} |" in table
    assert table.count("| 1.5 |") == len(KINDS) - 1
    assert exit_code == code


def test_a_slow_step_counts_by_its_seconds_however_few_samples_it_holds() -> None:
    steps = [{"samples_per_s": 8.0, "seconds": 1.0}, {"samples_per_s": 1.0, "seconds": 3.0}]
    assert over_time(steps, "samples_per_s") == (8 + 3) / 4


def test_the_rival_gives_no_pixels_for_a_batch_without_images() -> None:
    padding = Padding(0)
    batch = padding([{"input_ids": [1, 2], "labels": [-100, 2], "pixel_values": None}])
    assert set(batch) == {"input_ids", "labels", "attention_mask"}
    assert padding.tokens == [2]


@pytest.mark.slow
def test_the_benchmark_for_a_gpu_rehearses_without_one(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for stage in ("pretrain", "finetune"):
        (tmp_path / stage).symlink_to(inputs.mixture)
        (tmp_path / "images" / stage).symlink_to(inputs.images)
    prepare(tmp_path, "tiny")
    [kind] = [kind for kind in KINDS if {SELECTIVE, SHARED} <= {*kind.sets} and FLASH not in kind.sets]
    found = measure(kind, tmp_path, rehearse=True)
    assert isinstance(found, dict)
    assert found["samples_per_s"] > 0
    assert row(kind, found).count("|") == 7
