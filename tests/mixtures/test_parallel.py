"""Tasks side by side: every result under its label, every failure one line that names its task."""

import errno
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import pytest

from mix665k.mixtures.engine.processes import starting
from mix665k.mixtures.engine.tasks import Done, Report, Task
from mix665k.mixtures.parallel import gather, run_tasks
from mix665k.schemas.errors import MixtureError, RawDataError
from tests.mixtures import work_to_do
from tests.mixtures.work_to_do import (
    die,
    double,
    exhaust,
    fill_up,
    lack,
    leave,
    refuse,
    refuse_when,
    stumble,
    wait,
    write_for_ever,
)


class Noted:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, int, int]] = []
        self.labels: list[str] = []

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        self.moves.append((label, num_bytes, records))

    def finished(self, done: Done) -> None:
        self.labels.append(done.label)


def tasks(**work: Callable[[Report], Any]) -> list[Task]:
    return [Task(label, one, Path("where")) for label, one in work.items()]


def run(listener: Noted, *, jobs: int = 2, **work: Callable[[Report], Any]) -> dict[str, Done]:
    return run_tasks(tasks(**work), jobs=jobs, preload=work_to_do.__name__, listener=listener)


def test_every_result_is_there_under_its_label() -> None:
    noted = Noted()
    done = run(noted, a=partial(double, 1), b=partial(double, 2), c=partial(double, 3))
    assert {label: one.result for label, one in done.items()} == {"a": 2, "b": 4, "c": 6}
    assert all(one.seconds >= 0 for one in done.values())
    assert sorted(noted.moves) == [("a", 1, 1), ("b", 2, 1), ("c", 3, 1)]


def test_one_at_a_time_goes_in_the_order_given() -> None:
    noted = Noted()
    run(noted, jobs=1, b=partial(double, 2), a=partial(double, 1), c=partial(double, 3))
    assert noted.labels == ["b", "a", "c"]


def test_nothing_to_do_starts_nothing() -> None:
    assert run(Noted()) == {}


def test_results_are_gathered_and_reports_added_up() -> None:
    reports: list[tuple[int, int]] = []
    work = tasks(a=partial(double, 1), b=partial(double, 2))
    found = gather(
        work,
        jobs=2,
        preload=work_to_do.__name__,
        report=lambda num_bytes, records: reports.append((num_bytes, records)),
    )
    assert (found, sorted(reports)) == ({"a": 2, "b": 4}, [(1, 1), (2, 1)])


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (refuse, RawDataError, r"^x\.json: empty file$"),
        (partial(lack, "y.json"), MixtureError, "^y.json: no such file or directory$"),
        (fill_up, MixtureError, "^where: no space left on device$"),
        (die, MixtureError, r"^bad: its process was killed by signal 9; out of memory\? try --jobs 1$"),
        (leave, MixtureError, "^bad: its process was ended with 3; out of memory"),
        (exhaust, MixtureError, "^bad: out of memory; close other programs"),
    ],
    ids=["refuse", "lack", "fill_up", "die", "leave", "exhaust"],
)
def test_a_failure_is_one_line(work: Callable[[Report], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        run(Noted(), bad=work)


def test_a_defect_shows_where_it_is() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in stumble.*KeyError: 'a defect'"):
        run(Noted(), bad=stumble)


def test_the_others_are_stopped_when_one_fails() -> None:
    begun = time.monotonic()
    with pytest.raises(RawDataError):
        run(Noted(), slow=wait, bad=refuse)
    assert time.monotonic() - begun < 30


def test_one_that_is_stopped_leaves_no_part(tmp_path: Path) -> None:
    part = str(tmp_path / ".out.part")
    with pytest.raises(RawDataError):
        run(Noted(), slow=partial(write_for_ever, str(tmp_path / "out")), bad=partial(refuse_when, part))
    assert list(tmp_path.iterdir()) == []


def test_the_script_that_was_started_is_not_run_in_a_process_and_is_as_it_was_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"open({str(tmp_path / 'run-again')!r}, 'w')")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(script), raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    run(Noted(), a=partial(double, 1))
    assert not (tmp_path / "run-again").exists()
    assert main.__file__ == str(script)


def fail_while_starting() -> None:
    with starting():
        assert not hasattr(sys.modules["__main__"], "__file__")
        raise ZeroDivisionError


def test_what_starting_hides_comes_back_after_an_error() -> None:
    main = sys.modules["__main__"]
    before = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    with pytest.raises(ZeroDivisionError):
        fail_while_starting()
    assert {name: getattr(main, name, None) for name in before} == before


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (EOFError("unexpected EOF"), "the process that starts them was killed"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "broken pipe"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files; raise the limit with `ulimit -n 1024`"),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "resource temporarily unavailable"),
    ],
)
def test_a_process_that_cannot_be_started_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(forkserver, "connect_to_new_process", fail)
    with pytest.raises(MixtureError, match=f"^processes cannot be started: {re.escape(why)}"):
        run(Noted(), a=partial(double, 1))


class _Killer(Noted):
    """Kills a helper of multiprocessing's when the first task is finished."""

    def __init__(self, pid: Callable[[], int]) -> None:
        super().__init__()
        self._pid = pid

    def finished(self, done: Done) -> None:
        super().finished(done)
        if len(self.labels) == 1:
            os.kill(self._pid(), signal.SIGKILL)
            time.sleep(0.05)


@pytest.mark.parametrize(
    "pid",
    [lambda: resource_tracker._resource_tracker._pid, lambda: forkserver._forkserver._forkserver_pid],  # type: ignore[attr-defined]
    ids=["resource tracker", "fork server"],
)
def test_a_helper_that_is_killed_is_started_again_in_silence(
    pid: Callable[[], int], capfd: pytest.CaptureFixture[str]
) -> None:
    noted = _Killer(pid)
    assert len(run(noted, jobs=1, a=partial(double, 1), b=partial(double, 2), c=partial(double, 3))) == 3
    assert capfd.readouterr().err == ""
