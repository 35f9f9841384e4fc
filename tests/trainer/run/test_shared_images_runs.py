"""Real runs that share pictures: ranks, ZeRO and accumulation change nothing, a resumed run goes on to the bit."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from mix665k.trainer.data.mixture import Mixture
from tests.trainer.running import Inputs, finetune, steps_of, told

pytestmark = pytest.mark.slow
SHARED = ("batching=shared_images",)


@pytest.fixture(scope="module")
def plain(inputs: Inputs, projector: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stage 2 on one rank, without DeepSpeed."""
    out = tmp_path_factory.mktemp("plain") / "run"
    finetune(inputs, projector, out, "--max-steps", "4", sets=(*SHARED, "zero=0", "save_steps=2"))
    return out


@pytest.mark.parametrize("zero", [2, 3])
def test_two_ranks_that_accumulate_equal_one_plain_rank(
    inputs: Inputs, projector: Path, plain: Path, tmp_path: Path, zero: int
) -> None:
    """Each rank has other trees, and some have none with a picture."""
    sets = (*SHARED, f"zero={zero}", "per_device_batch=2")
    lines = finetune(inputs, projector, tmp_path / "run", "--max-steps", "4", "--nproc", "2", sets=sets)
    expected = steps_of(plain)
    assert [line["samples"] for line in lines] == [line["samples"] for line in expected]
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in expected], rel=1e-5)
    assert [line["grad_norm"] for line in lines] == pytest.approx([line["grad_norm"] for line in expected], rel=1e-3)
    assert max(Counter(path for path in Mixture(inputs.mixture).images if path).values()) > 2


def test_a_resumed_run_goes_on_to_the_bit(inputs: Inputs, projector: Path, plain: Path, tmp_path: Path) -> None:
    shutil.copytree(plain, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    sets = (*SHARED, "zero=0", "save_steps=2")
    lines = finetune(inputs, projector, tmp_path / "run", "--max-steps", "4", sets=sets)
    assert told(lines) == told(steps_of(plain))
