"""Made-up raw files and a mixture of them, made once for all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mix665k.builders.synthetic import write_raw
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.engine.tasks import Done
from tests.loopback_hub import Hub, serve, turn_to

SCALE = 0.0005
# Two workers with torch's threads on each core of a small machine wait for each other: one file took 107 s, now 16.
os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, here and in all that tests start, under nohup

settings.register_profile("no deadline", deadline=None)  # a test that fails because the machine is busy says nothing
settings.load_profile("no deadline")


class SilentWatcher:
    """Listens to a build and remembers what finished."""

    def __init__(self) -> None:
        self.done: list[Done] = []

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """Look away."""

    def finished(self, done: Done) -> None:
        """Remember the result."""
        self.done.append(done)


@pytest.fixture(scope="session")
def made_up_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files of every source; read only."""
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder, scale=SCALE, seed=0)
    return folder


@pytest.fixture(scope="session")
def tiny_mixture(made_up_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe `tiny` over the made-up files; read only."""
    out = tmp_path_factory.mktemp("tiny") / "mixture"
    build(make_plan("tiny", Options(made_up_raw, out)), jobs=2, overwrite=False, listener=SilentWatcher())
    return out


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub of its own for a test, to which `huggingface_hub` is turned."""
    with serve() as hub:
        turn_to(hub, monkeypatch, tmp_path)
        yield hub
