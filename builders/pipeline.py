"""Running a bound source and its steps, with every conversation counted on its way."""

from collections.abc import Callable, Iterable, Iterator

from mix665k.builders.bind import BoundSource, BoundStep
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.plugin_errors import of_source, plugin_errors
from mix665k.builders.raw import OnBadRecord, RawFiles
from mix665k.builders.registry import plugin_of
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
        self.read = StepFunnel("read")
        self.writes_boxes = bound.source.about.writes_boxes
        self._funnels = [self.read]
        self.raw = raw = RawFiles(
            bound.source.about,
            bound.files,
            funnel=self.read,
            on_bad_record=on_bad_record,
            progress=progress,
            splits=bound.params.get("splits", ()),
        )
        with plugin_errors(f"source {bound.source.name}"):
            found = bound.source.function(raw, **bound.params)
        if plugin := plugin_of(bound.source):
            found = of_source(found, plugin, name=bound.source.name, last=lambda: raw.last)
        stream = self.read.built(raw.asking(found), limit=limit)
        self.conversations = self._through(bound.steps, stream)

    def funnel(self) -> list[FunnelStep]:
        """What each step did, in order."""
        return [funnel.summary() for funnel in self._funnels]

    def add(self, name: str) -> StepFunnel:
        """The funnel of one more step behind the others."""
        self._funnels.append(StepFunnel(name))
        return self._funnels[-1]

    def _through(self, steps: Iterable[BoundStep], stream: Iterator[Conversation]) -> Iterator[Conversation]:
        for bound in steps:
            funnel = self.add(bound.step.name)
            stream = funnel.leaving(bound.run(funnel.entering(stream), funnel))
        return stream
