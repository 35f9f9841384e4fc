"""Tiny models, drawn images and one run of stage 1, made once for all tests."""

from pathlib import Path

import pytest

from mix665k.builders.synthetic import draw_images
from mix665k.trainer.run.weights import write_projector
from mix665k.trainer.tiny import write_tiny
from tests.trainer.running import Inputs, pretrain


@pytest.fixture(scope="session")
def inputs(made_up_raw: Path, tiny_mixture: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Mixture, images and models; read only."""
    folder = tmp_path_factory.mktemp("training")
    draw_images(made_up_raw, folder / "images", seed=0)
    write_tiny(folder, tokenizer="tiny")
    return Inputs(tiny_mixture, folder / "images", folder / "llm", folder / "vision")


@pytest.fixture(scope="session")
def first_stage(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of stage 1, on two ranks under ZeRO 2, where text-only and image batches meet; read only."""
    out = tmp_path_factory.mktemp("stage1") / "run"
    pretrain(inputs, out, "--nproc", "2", "--max-steps", "4", sets=("save_steps=2",))
    return out


@pytest.fixture(scope="session")
def projector(first_stage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stage 1 learned."""
    return write_projector(first_stage, tmp_path_factory.mktemp("projector") / "projector.safetensors")
