"""A mixture with the published file's ids, a hundredth of its size, and its export in LLaVA's own form."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.identities import write_identities
from mix665k.mixtures.export.export import ExportRequest, export
from mix665k.mixtures.mixture import Mixture


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,653 records, 3,898 distinct ids; read only."""
    folder = tmp_path_factory.mktemp("full") / "mixture"
    write_identities(folder, scale=0.01)
    return folder


@pytest.fixture(scope="session")
def published_file(full: Path) -> Path:
    """Its records in LLaVA's own form."""
    path = full.parent / "published.json"
    export(Mixture.open(full), ExportRequest("llava", path), advance=lambda share: None)
    return path


@pytest.fixture(scope="session")
def published(published_file: Path) -> list[dict[str, Any]]:
    """The same, read; not to be changed."""
    records: list[dict[str, Any]] = json.loads(published_file.read_text())
    return records
