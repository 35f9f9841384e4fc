"""Real runs without padding: ranks, ZeRO, accumulation and attention change nothing."""

from pathlib import Path

import pytest

from tests.trainer.running import Inputs, finetune, pretrain, run, steps_of

pytestmark = pytest.mark.slow
SHORT = ("--max-steps", "3")
PADDING_FREE = ("batching=padding_free",)


@pytest.fixture(scope="module")
def plain(inputs: Inputs, projector: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stage 2 on one rank, without DeepSpeed, the plainest attention."""
    out = tmp_path_factory.mktemp("plain") / "run"
    finetune(inputs, projector, out, *SHORT, sets=(*PADDING_FREE, "zero=0", "attention=eager"))
    return out


def assert_equal(ours: Path, theirs: Path) -> None:
    lines, expected = steps_of(ours), steps_of(theirs)
    assert [line["samples"] for line in lines] == [line["samples"] for line in expected]
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in expected], rel=1e-5)
    assert [line["grad_norm"] for line in lines] == pytest.approx([line["grad_norm"] for line in expected], rel=1e-3)


@pytest.mark.parametrize("zero", [2, 3])
def test_two_ranks_that_accumulate_equal_one_plain_rank(
    inputs: Inputs, projector: Path, plain: Path, tmp_path: Path, zero: int
) -> None:
    sets = (*PADDING_FREE, f"zero={zero}", "per_device_batch=2")
    finetune(inputs, projector, tmp_path / "run", *SHORT, "--nproc", "2", sets=sets)
    assert_equal(tmp_path / "run", plain)


def test_stage_1_is_the_same_on_two_ranks_under_zero_3(inputs: Inputs, tmp_path: Path) -> None:
    pretrain(inputs, tmp_path / "plain", *SHORT, sets=(*PADDING_FREE, "zero=0"))
    pretrain(inputs, tmp_path / "zero3", *SHORT, "--nproc", "2", sets=(*PADDING_FREE, "zero=3", "per_device_batch=2"))
    assert_equal(tmp_path / "zero3", tmp_path / "plain")


def test_no_place_is_padding(plain: Path) -> None:
    lines = steps_of(plain)
    assert [line["padding"] for line in lines] == [0, 0, 0]
    assert any(len([key for key in line if key.startswith("loss/")]) > 2 for line in lines)


def test_an_attention_that_is_not_there_is_one_line(inputs: Inputs, projector: Path, tmp_path: Path) -> None:
    given = [*inputs.options(), *inputs.models(), "--projector", str(projector)]
    done = run("finetune", *given, "--out", tmp_path / "run", sets=("attention=flash_attention_2",))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: attention flash_attention_2: flash-attn 2 is not installed, or there is no GPU;")
