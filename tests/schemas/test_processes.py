"""What processes need to start: short paths of sockets, open files, address space."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mix665k.schemas.errors import UserError
from mix665k.schemas.processes import jobs_for_open_files, require_limits

INFINITE = resource.RLIM_INFINITY
MIX = Path(sys.executable).with_name("mix")


def test_a_long_temporary_folder_stops_no_command(tiny_mixture: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    done = subprocess.run(
        [MIX, "verify", tiny_mixture, "--jobs", "2"],
        env=os.environ | {"TMPDIR": str(long)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(long.iterdir()) == []


class Limits:
    """The limits of a process that a test makes up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, files: tuple[int, int], memory: int = INFINITE) -> None:
        self.files, self._memory = files, memory
        monkeypatch.setattr(resource, "getrlimit", self._get)
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _get(self, what: int) -> tuple[int, int]:
        return self.files if what == resource.RLIMIT_NOFILE else (self._memory, self._memory)

    def _set(self, what: int, limits: tuple[int, int]) -> None:
        assert what == resource.RLIMIT_NOFILE
        self.files = limits


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((20, 4096), (1024, 4096)),
        ((256, INFINITE), (1024, INFINITE)),
        ((20, 100), (100, 100)),
        ((2048, 2048), (2048, 2048)),
        ((INFINITE, INFINITE), (INFINITE, INFINITE)),
    ],
)
def test_more_files_may_be_open_where_the_system_allows_it(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: tuple[int, int]
) -> None:
    limits = Limits(monkeypatch, before)
    require_limits()
    assert limits.files == after


def test_too_few_files_or_too_little_memory_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    Limits(monkeypatch, (20, 40))
    with pytest.raises(UserError, match=r"^40 files may be open at once, expected 64; raise it with `ulimit -n 1024`$"):
        require_limits()
    Limits(monkeypatch, (1024, 1024), memory=1_200_000_000)
    with pytest.raises(
        UserError, match=r"^the address space is limited to 1\.2 GB, expected 2 GB.*`ulimit -v unlimited`$"
    ):
        require_limits()


@pytest.mark.parametrize(("files", "jobs"), [(64, 6), (76, 10), (47, 1), (20, 1), (1024, 40), (INFINITE, 40)])
def test_few_open_files_mean_few_processes(monkeypatch: pytest.MonkeyPatch, files: int, jobs: int) -> None:
    Limits(monkeypatch, (files, files))
    assert jobs_for_open_files(40) == jobs


@pytest.mark.slow
def test_a_command_with_the_fewest_open_files_works(tiny_mixture: Path) -> None:
    done = subprocess.run(
        [MIX, "verify", tiny_mixture, "--jobs", "40"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    assert (done.returncode, done.stderr) == (0, "")
