"""Room on a disk: what one download is promised, another cannot have."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mix665k.mixtures.fetch.disk_space import DiskSpace, size_text
from mix665k.schemas.errors import FetchError


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The free bytes of the disk."""
    left = [1_000_000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=left[0]))
    return left


def test_more_than_is_free_is_refused(free: list[int], tmp_path: Path) -> None:
    space = DiskSpace(tmp_path)
    space.reserve("a.zip", 1_000_000)
    with pytest.raises(FetchError, match=r"b\.zip needs 1 kB more, 0 kB are free; make room or name another folder"):
        space.reserve("b.zip", 1_000)


def test_a_new_promise_takes_the_place_of_the_old_one(free: list[int], tmp_path: Path) -> None:
    space = DiskSpace(tmp_path)
    space.reserve("a.zip", 900_000)
    space.reserve("a.zip", 400_000)
    space.reserve("b.zip", 600_000)


def test_bytes_on_the_disk_are_promised_no_longer(free: list[int], tmp_path: Path) -> None:
    space = DiskSpace(tmp_path)
    space.reserve("a.zip", 800_000)
    space.written("a.zip", 800_000)
    free[0] -= 800_000
    space.reserve("b.zip", 200_000)
    space.written("b.zip", 999_999)  # more than was promised counts as nothing left, not as room
    with pytest.raises(FetchError, match=r"c\.zip needs 300 kB more, 200 kB are free"):
        space.reserve("c.zip", 300_000)


def test_a_download_that_is_done_gives_its_room_back(free: list[int], tmp_path: Path) -> None:
    space = DiskSpace(tmp_path)
    space.reserve("a.zip", 1_000_000)
    space.release("a.zip")
    space.release("never seen")
    space.reserve("b.zip", 1_000_000)


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 kB"), (1_499, "1 kB"), (999_999, "1,000 kB"), (7_239_401, "7.2 MB"), (21_817_965_542, "21.8 GB")],
)
def test_sizes_are_read_in_the_unit_that_fits(num_bytes: int, text: str) -> None:
    assert size_text(num_bytes) == text
