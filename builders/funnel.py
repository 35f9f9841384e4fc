"""Counting what a source or a step drops, merges, adds and cuts, so that the funnel adds up.

Every count has two units, conversations and pairs. For each, entered + changes = left, or the build fails.
"""

from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Literal, NamedTuple

from mix665k.schemas.conversation import Conversation
from mix665k.schemas.manifest import MAX_EXAMPLES, Flow, FunnelStep, Kind


class Dropped(NamedTuple):
    """What a source yields where raw records do not become conversations, or pairs do not become part of one.

    `id` is kept as an example; leave it empty where ids would not help. What lost pairs but not its conversation has
    `conversations=0`.
    """

    reason: str
    id: str = ""
    kind: Literal["lost", "chosen"] = "lost"
    conversations: int = 1
    pairs: int = 1


class Regrouped(NamedTuple):
    """What a source yields where the numbers change although nothing is left out: negative for fewer."""

    kind: Literal["merged", "split", "repeated"]
    conversations: int
    pairs: int = 0


class StepFunnel:
    """The count of one source or step, in conversations and in pairs."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._prefix = ""
        self._entered = [0, 0]
        self._left = [0, 0]
        self._changes: dict[str, list[int]] = {}
        self._kinds: dict[str, Kind] = {}
        self._examples: dict[str, list[str]] = {}
        self._noted: dict[str, int] = {}
        self.complete: set[str] = set()
        """Reasons of which every id is kept."""

    def enter(self, *, pairs: int = 1) -> None:
        """Count a raw record, or a conversation, that comes in."""
        self._entered[0] += 1
        self._entered[1] += pairs

    def drop(
        self,
        reason: str,
        identifier: str = "",
        *,
        kind: Literal["lost", "chosen"] = "lost",
        conversations: int = 1,
        pairs: int = 1,
    ) -> None:
        """Count what is left out, see `Dropped`."""
        self._change(reason, kind, conversations=-conversations, pairs=-pairs)
        if identifier:
            self._example(self._prefix + reason, identifier, MAX_EXAMPLES)

    def regroup(self, kind: Literal["merged", "split", "repeated"], *, conversations: int, pairs: int = 0) -> None:
        """Count what is merged, split or repeated, see `Regrouped`."""
        self._change(kind, kind, conversations=conversations, pairs=pairs)

    def _change(self, reason: str, kind: Kind, *, conversations: int, pairs: int) -> None:
        reason = self._prefix + reason
        change = self._changes.setdefault(reason, [0, 0])
        change[0] += conversations
        change[1] += pairs
        assert self._kinds.setdefault(reason, kind) == kind, (reason, kind)

    def note(self, reason: str, identifier: str, *, limit: int | None = MAX_EXAMPLES) -> None:
        """Count something that changes no number, with the id as an example; `limit=None` keeps all ids."""
        reason = self._prefix + reason
        self._noted[reason] = self._noted.get(reason, 0) + 1
        self._example(reason, identifier, limit)
        if limit is None:
            self.complete.add(reason)

    def _example(self, reason: str, identifier: str, limit: int | None) -> None:
        examples = self._examples.setdefault(reason, [])
        if limit is None or len(examples) < limit:
            examples.append(identifier)

    def entering(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        """Count what comes in as it passes."""
        return _counted(conversations, self._entered)

    def leaving(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        """Count what goes out as it passes."""
        return _counted(conversations, self._left)

    def built(
        self, found: Iterable[Conversation | Dropped | Regrouped], *, limit: int | None = None
    ) -> Iterator[Conversation]:
        """The conversations that a source yields, all of it counted; at most `limit`, the rest dropped as one."""
        for one in found:
            if type(one) is Conversation:
                if self._left[0] == limit:  # before the steps, whose time is saved too
                    self._balance("beyond --limit")
                    return
                self.leave(one)
                yield one
            elif isinstance(one, Dropped):
                self.drop(one.reason, one.id, kind=one.kind, conversations=one.conversations, pairs=one.pairs)
            elif isinstance(one, Regrouped):
                self.regroup(one.kind, conversations=one.conversations, pairs=one.pairs)

    def leave(self, conversation: Conversation) -> None:
        """Count one that goes out."""
        self._left[0] += 1
        self._left[1] += len(conversation.pairs)

    def _balance(self, reason: str) -> None:
        """Put down to one reason whatever the changes do not explain yet."""
        conversations, pairs = (
            self._entered[k] + sum(change[k] for change in self._changes.values()) - self._left[k] for k in (0, 1)
        )
        self.drop(reason, kind="chosen", conversations=conversations, pairs=pairs)

    def inner(self, step: str) -> "StepFunnel":
        """The funnel of a step that runs inside this one: its changes and examples count here, under its name."""
        inner = StepFunnel(step)
        inner._prefix = f"{self._prefix}{step}: "
        inner._changes, inner._kinds = self._changes, self._kinds
        inner._examples, inner._noted, inner.complete = self._examples, self._noted, self.complete
        return inner

    def summary(self) -> FunnelStep:
        """The funnel step; the caller checks that it adds up."""
        conversations, pairs = (
            Flow(self._entered[k], self._left[k], {r: c[k] for r, c in self._changes.items() if c[k]}) for k in (0, 1)
        )
        kinds = {reason: kind for reason, kind in self._kinds.items() if any(self._changes[reason])}
        return FunnelStep(self.step, conversations, pairs, kinds=kinds, noted=self._noted, examples=self._examples)


def _counted(conversations: Iterable[Conversation], counts: list[int]) -> Iterator[Conversation]:
    for conversation in conversations:
        counts[0] += 1
        counts[1] += len(conversation.pairs)
        yield conversation


def upstream_of(code: CodeType) -> bool:
    """Whether this code passes on conversations that a step takes in, so that what it calls is not the step's."""
    return code is _counted.__code__
