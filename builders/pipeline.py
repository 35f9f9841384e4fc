"""Running a bound source and its steps, with every conversation counted on its way."""

from collections.abc import Callable, Iterable, Iterator

from mix665k.builders.bind import BoundSource, BoundStep
from mix665k.builders.funnel import Tally
from mix665k.builders.raw import OnBadRecord, RawFiles
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.manifest import FunnelStep


class Run:
    """One source being built: iterate `conversations`, then ask for the funnel.

    `limit` lets only the first conversations of the source through to the steps.
    """

    def __init__(
        self,
        bound: BoundSource,
        *,
        on_bad_record: OnBadRecord,
        progress: Callable[[int], None],
        limit: int | None = None,
    ) -> None:
        self.read = Tally("read")
        self._tallies = [self.read]
        raw = RawFiles(bound.source.about, bound.files, tally=self.read, on_bad_record=on_bad_record, progress=progress)
        stream = self.read.built(bound.source.function(raw, **bound.params), limit=limit)
        self.conversations = self._through(bound.steps, stream)

    def funnel(self) -> list[FunnelStep]:
        """What each step did, in order."""
        return [tally.summary() for tally in self._tallies]

    def add(self, name: str) -> Tally:
        """The tally of one more step behind the others."""
        self._tallies.append(Tally(name))
        return self._tallies[-1]

    def _through(self, steps: Iterable[BoundStep], stream: Iterator[Conversation]) -> Iterator[Conversation]:
        for bound in steps:
            tally = self.add(bound.step.name)
            stream = tally.leaving(bound.run(tally.entering(stream), tally))
        return stream
