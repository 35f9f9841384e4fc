"""The mixture of one caption, and its raw files."""

import json
from pathlib import Path

import pytest

from mix665k.mixtures.build.plan import Options
from tests.mixtures.build.test_build import run, written
from tests.mixtures.trace.signs import FILES, RECIPE


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The raw files of one caption."""
    (tmp_path / "raw").mkdir()
    for role, content in FILES.items():
        (tmp_path / "raw" / f"{role}.json").write_text(json.dumps(content))
    return tmp_path / "raw"


@pytest.fixture
def signs(raw: Path, tmp_path: Path) -> Path:
    """A mixture of it."""
    run(written(tmp_path, RECIPE), Options(raw, tmp_path / "mixture"))
    return tmp_path / "mixture"
