"""Running cases in processes of their own, so that one that dies, hangs or takes a gigabyte is counted and replaced."""

import gc
import importlib
import multiprocessing
import resource
import shutil
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from mix665k.schemas.processes import choose_socket_folder
from tests.campaign.case import Kind, Outcome, Verdict

MODULES = (
    "mutations",
    "recipes",
    "mixtures",
    "names",
    "pictures",
    "tokenizers",
    "archives",
    "servers",
    "disk",
    "kills",
)
"""The kinds, in the order of the report."""
MAX_BYTES = 1 << 30
_AHEAD = 32
"""Cases that a process is given at once; waiting for each other would cost more than the cases."""
_COLLECT_EVERY = 200
_START_S = 120.0
"""A process may take so long to import and prepare what its cases need."""
_LABEL = "case.txt"


def kind_of(module: str) -> Kind:
    """The kind that a module declares."""
    found: Kind = importlib.import_module(f"tests.campaign.{module}").KIND
    return found


def run_cases(
    module: str, numbers: Iterable[int], *, seed: int, jobs: int, keep: Path | None = None
) -> Iterator[Outcome]:
    """What comes of these cases, as they end; the input of a faulty one is kept below `keep`."""
    choose_socket_folder()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"tests.campaign.{module}"])
    kind, waiting = kind_of(module), iter(numbers)
    with tempfile.TemporaryDirectory(prefix="campaign-") as work:
        idle = [_Worker(context, module, seed=seed, work=Path(work)) for _ in range(jobs)]
        busy: dict[Any, _Worker] = {}
        again: list[int] = []
        while True:
            while idle and (share := again or list(islice(waiting, _AHEAD if kind.limited else 1))):
                worker, again = idle.pop(), []
                worker.begin(share)
                busy[worker.pipe] = worker
            if not busy:
                break
            for pipe in connection.wait(list(busy), timeout=0.2) or list(busy):
                worker = busy[pipe]
                outcome = worker.answer(kind.limit_s)
                if outcome is None:
                    continue
                if outcome.fault and keep:
                    _keep(worker.folder(outcome.number), keep / f"{module}-{seed}-{outcome.number}", outcome)
                shutil.rmtree(worker.folder(outcome.number), ignore_errors=True)
                if outcome.fault in ("crash", "hang", "memory"):
                    again += worker.left
                    idle.append(busy.pop(pipe).replaced())
                elif not worker.left:
                    idle.append(busy.pop(pipe))
                yield outcome
        for worker in idle:
            worker.end()


class _Worker:
    """A process that runs one case after the other, seen from outside; `left` are those that it has not answered."""

    def __init__(self, context: ForkServerContext, module: str, *, seed: int, work: Path) -> None:
        self._context, self._module, self._seed, self._work = context, module, seed, work
        self.pipe, theirs = context.Pipe()
        self._process: ForkServerProcess = context.Process(target=_work, args=(theirs, module, seed, work))
        self._process.start()
        self._ready = False
        theirs.close()

    def begin(self, numbers: list[int]) -> None:
        """Hand over cases."""
        self.left = deque(numbers)
        self._heard = time.monotonic()
        self.pipe.send(numbers)

    def folder(self, number: int) -> Path:
        """Where a case has its input."""
        return self._work / str(number)

    def answer(self, limit_s: float) -> Outcome | None:
        """What came of its next case, None when it may go on with it."""
        try:
            if not self.pipe.poll():
                late = time.monotonic() - self._heard > (limit_s if self._ready else _START_S)
                return self._lost("hang", f"not done after {limit_s:g} s") if late else None
            message = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return self._lost("crash", f"its process ended with {self._process.exitcode}")
        self._heard = time.monotonic()
        if message is None:
            self._ready = True
            return None
        group, what, result, fault, detail = message
        number = self.left.popleft()
        return Outcome(number=number, group=group, what=what, result=result, fault=fault, detail=detail)

    def _lost(self, fault: Any, detail: str) -> Outcome:
        number = self.left.popleft()
        label = self.folder(number) / _LABEL
        group, _, what = label.read_text(encoding="utf-8").partition(": ") if label.is_file() else ("?", "", "made")
        return Outcome(number=number, group=group, what=what, fault=fault, detail=detail)

    def replaced(self) -> "_Worker":
        """Another in its place."""
        self._process.kill()
        self._process.join()
        for number in self.left:  # it may have begun one
            shutil.rmtree(self.folder(number), ignore_errors=True)
        return _Worker(self._context, self._module, seed=self._seed, work=self._work)

    def end(self) -> None:
        """Let it end."""
        self.pipe.send(None)
        self._process.join()


def _keep(folder: Path, kept: Path, outcome: Outcome) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept, ignore_dangling_symlinks=True)
    text = f"{outcome.group}: {outcome.what}\n{outcome.fault}: {outcome.detail}\n"
    (kept / "outcome.txt").write_text(text, encoding="utf-8", errors="backslashreplace")


def _work(pipe: Any, module: str, seed: int, work: Path) -> None:
    """Run the cases that come through the pipe until None does; the input of one that is no fault goes at once."""
    kind = kind_of(module)
    kind.prepare()
    before = _memory("VmRSS")
    if kind.limited:
        # thrice the limit as address space: what takes more than once is seen below, what asks for more is refused;
        # commands do not start with less than 3 GB
        most = _memory("VmSize") + 3 * MAX_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    pipe.send(None)
    done = 0
    while (numbers := pipe.recv()) is not None:
        for number in numbers:
            folder = work / str(number)
            folder.mkdir()
            _forget_peak()
            group, what, verdict = _attempt(kind, number, seed=seed, folder=folder)
            if kind.limited and verdict.fault is None and (more := _memory("VmHWM") - before) > MAX_BYTES:
                verdict = Verdict(None, "memory", f"{more / 1e9:.1f} GB more than before")
            if verdict.fault is None:
                shutil.rmtree(folder, ignore_errors=True)
            pipe.send((group, what, *verdict))
            done += 1
            if done % _COLLECT_EVERY == 0:
                gc.collect()  # building a source turns the collector off
    pipe.close()


def _attempt(kind: Kind, number: int, *, seed: int, folder: Path) -> tuple[str, str, Verdict]:
    """A case and what comes of it in this process; an exception that its kind does not expect is a fault."""
    group = what = "?"
    try:
        group, what, judge = kind.make(number, seed, folder)
        label = f"{group}: {what}"
        (folder / _LABEL).write_text(label, encoding="utf-8", errors="backslashreplace")
        return group, what, judge()
    except MemoryError:
        return group, what, Verdict(None, "memory", "MemoryError")
    except Exception as error:  # noqa: BLE001, whatever comes out is what is looked for
        return group, what, Verdict(None, "traceback", "".join(traceback.format_exception(error))[-1500:])


def _memory(field: str) -> int:
    """Bytes of this process as `/proc/self/status` says; 0 where there is none."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith(field)), 0)


def _forget_peak() -> None:
    """Let the peak of memory begin at what is used now."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # no Linux, or not allowed: the peak is that of all cases
