"""A publisher, and an environment without proxies."""

from collections.abc import Iterator

import pytest

from tests.mixtures.fetch.server import Publisher, publishing


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher on the loopback interface."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with publishing() as publisher:
        yield publisher
