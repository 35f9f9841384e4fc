"""Building the sources of a plan side by side, one process each."""

from functools import partial
from typing import NamedTuple, Protocol

from mix665k.builders.bind import BoundSource
from mix665k.mixtures.build.plan import Plan, named_by
from mix665k.mixtures.build.worker import Built, build_source
from mix665k.mixtures.parallel import Done, Task, run_tasks
from mix665k.schemas.manifest import SourceEntry


class Watcher(Protocol):
    """Sees a build go on."""

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """A source has read so many more bytes and written so many more records."""

    def finished(self, result: "Result") -> None:
        """A source is complete."""


class Result(NamedTuple):
    """A built source, whether it was there already, and how long it took."""

    entry: SourceEntry
    reused: bool
    seconds: float


class _Collector:
    """Keeps the results, and passes on what a watcher sees."""

    def __init__(self, watcher: Watcher) -> None:
        self.results: dict[str, Result] = {}
        self.moved = watcher.moved
        self._watcher = watcher

    def finished(self, done: Done) -> None:
        """See `tasks.Listener`."""
        built: Built = done.result
        self.results[done.label] = Result(built.entry, built.reused, done.seconds)
        self._watcher.finished(self.results[done.label])


def run_sources(plan: Plan, *, jobs: int, watcher: Watcher) -> dict[str, Result]:
    """Build every source of a plan, the longest first, `jobs` at a time.

    Raises:
        UserError: as soon as one of them fails; the others are stopped.
    """
    options, collector = plan.options, _Collector(watcher)
    run_tasks(
        [
            Task(bound.block.label, partial(build_source, bound, options), options.out)
            for bound in sorted(plan.sources, key=cost, reverse=True)
        ],
        jobs=jobs,
        preload="mix665k.mixtures.build.worker",
        listener=collector,
    )
    return collector.results


def cost(bound: BoundSource) -> tuple[bool, int]:
    """What tells how long a source takes: whether it is tokenised, and the size of its files."""
    num_bytes = sum(path.stat().st_size for path in set(bound.files.values()))
    return bool(named_by(bound.steps, "tokenizer")), num_bytes
