"""A checkpoint that cannot be read is one line, not a traceback."""

import shutil
from pathlib import Path

import pytest

from mix665k.trainer.run.weights import WEIGHTS
from tests.trainer.running import SMALL, Inputs, finetune, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved(inputs: Inputs, projector: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Runs of two steps, without DeepSpeed and under ZeRO 2; read only."""
    runs = {zero: tmp_path_factory.mktemp("saved") / f"zero{zero}" for zero in (0, 2)}
    for zero, out in runs.items():
        finetune(inputs, projector, out, "--max-steps", "2", sets=(f"zero={zero}", "save_steps=2"))
    return runs


@pytest.mark.parametrize(
    ("zero", "name", "kept"),
    [(0, WEIGHTS, 0.5), (0, "trainer_state.json", None), (2, "*_optim_states.pt", 0.5), (2, "*_model_states.pt", 0.0)],
)
def test_a_checkpoint_that_cannot_be_read_is_one_line(
    inputs: Inputs, projector: Path, saved: dict[int, Path], tmp_path: Path, zero: int, name: str, kept: float | None
) -> None:
    shutil.copytree(saved[zero], tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint-2"
    [file, *_] = checkpoint.rglob(name)
    content = file.read_bytes()
    file.unlink()
    if kept is not None:
        file.write_bytes(content[: int(kept * len(content))])
    given = [*inputs.options(), *inputs.models(), "--projector", str(projector), "--max-steps", "4"]
    done = run("finetune", *given, "--out", tmp_path / "run", sets=(*SMALL, f"zero={zero}", "save_steps=2"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[1] == "max_steps changed from 2 to 4: learning rates follow the new schedule"
    assert done.stderr.splitlines()[-1].startswith(f"error: {checkpoint}: cannot be read, it is damaged (")
    assert "Traceback" not in done.stderr
