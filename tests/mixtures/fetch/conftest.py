"""A publisher, and an environment without proxies."""

import shutil
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.mixtures.fetch.server import Publisher, publishing


@pytest.fixture(autouse=True)
def _free_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for everything: the declared sizes of all archives are 63 GB, whatever a test serves in their place."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher on the loopback interface."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with publishing() as publisher:
        yield publisher
