"""The mixture to compare, made once."""

from pathlib import Path

import pytest

from tests.mixtures.contamination.contaminated import build_contaminated


@pytest.fixture(scope="session")
def contaminated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixture of `contaminated.RECORDS`; read only."""
    return build_contaminated(tmp_path_factory.mktemp("contaminated"))
