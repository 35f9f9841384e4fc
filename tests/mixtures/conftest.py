"""The small mixture, made once."""

import shutil
from pathlib import Path

import pytest

from tests.mixtures.small import build_small


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixture of `small.RECORDS`; read only."""
    return build_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return shutil.copytree(small, tmp_path / "copy")
