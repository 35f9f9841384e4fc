"""Running a bound source and its steps, with every conversation counted on its way."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mix665k.builders.bind import BoundSource, BoundStep
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.numbers import NONE
from mix665k.builders.pieces import Piece
from mix665k.builders.plugin_errors import of_source, plugin_errors
from mix665k.builders.raw import OnBadRecord, RawFiles
from mix665k.builders.registry import plugin_of
from mix665k.builders.steps.sample import Chosen, drawn
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.manifest import FunnelStep


class Within(NamedTuple):
    """A piece of a source, and what the others decide about it: the counts of names before, and what is drawn.

    `chosen` is of the first draws among its steps. The draw behind those, and what comes after it, is not run.
    """

    piece: Piece
    before: Mapping[bytes, int] = NONE
    chosen: tuple[Chosen, ...] = ()


class Run:
    """One source being built: iterate `conversations`, then ask for the funnel.

    `limit` lets only the first conversations of the source through to the steps. Of a source that is built `within` a
    piece, `draw` is the step that those left are ranked for; None where all steps are run.
    """

    def __init__(
        self,
        bound: BoundSource,
        *,
        on_bad_record: OnBadRecord,
        progress: Callable[[int], None],
        limit: int | None = None,
        within: Within | None = None,
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
            piece=within and within.piece,
            before=within.before if within else NONE,
        )
        self.draw: BoundStep | None = None
        with plugin_errors(f"source {bound.source.name}"):
            found = bound.source.function(raw, **bound.params)
        if plugin := plugin_of(bound.source):
            found = of_source(found, plugin, name=bound.source.name, last=lambda: raw.last)
        stream = self.read.built(raw.asking(found), limit=limit)
        self.conversations = self._through(bound.steps, stream, within=within)

    @property
    def complete(self) -> list[set[str]]:
        """The reasons of each step of which every id is kept."""
        return [funnel.complete for funnel in self._funnels]

    def funnel(self) -> list[FunnelStep]:
        """What each step did, in order."""
        return [funnel.summary() for funnel in self._funnels]

    def add(self, name: str) -> StepFunnel:
        """The funnel of one more step behind the others."""
        self._funnels.append(StepFunnel(name))
        return self._funnels[-1]

    def _through(
        self, steps: Iterable[BoundStep], stream: Iterator[Conversation], *, within: Within | None
    ) -> Iterator[Conversation]:
        chosen = list(within.chosen) if within else []
        for bound in steps:
            draws = within is not None and bound.step.needs == "draw"
            if draws and not chosen:
                self.draw = bound
                return stream
            funnel = self.add(bound.step.name)
            if draws:
                found = drawn(funnel.entering(stream), funnel, params=bound.params, chosen=chosen.pop(0))
            else:
                found = bound.run(funnel.entering(stream), funnel)
            stream = funnel.leaving(found)
        return stream
