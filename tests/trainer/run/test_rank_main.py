"""How one rank of a run ends, and what it prints."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from mix665k.schemas.errors import TrainingError
from mix665k.trainer.run import rank_main
from mix665k.trainer.run.job import Job, write_job
from mix665k.trainer.run.stage_files import load_stage


def ends_by(error: BaseException) -> Callable[[Job], NoReturn]:
    def run(job: Job) -> NoReturn:
        raise error

    return run


@pytest.fixture
def job(tmp_path: Path) -> str:
    """A job's file."""
    stage = load_stage("pretrain")
    return str(write_job(Job(stage=stage, mixture="/m", images="/i", llm="/l", vision="/v", out=str(tmp_path))))


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (TrainingError("x: is wrong"), 1, "error: rank 3: x: is wrong\n"),
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:4711"), 1, ""),
        (RuntimeError("Connection reset by peer"), 1, ""),
    ],
)
def test_a_users_error_is_one_line_and_a_rank_that_was_left_prints_none(
    job: str,
    error: BaseException,
    code: int,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setattr(rank_main, "run", ends_by(error))
    assert rank_main.main([job]) == code
    assert capsys.readouterr().err == printed


def test_an_error_of_ours_keeps_its_traceback(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_main, "run", ends_by(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        rank_main.main([job])


def test_a_lost_job_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rank_main.main([str(tmp_path / "job.json")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("job.json: no such file or directory, expected a run's folder")
