"""Counting what a source or a step drops, merges, adds and cuts, so that the funnel adds up."""

from collections.abc import Iterable, Iterator

from mix665k.schemas.conversation import Conversation
from mix665k.schemas.manifest import Flow, FunnelStep

MAX_EXAMPLES = 10


class Tally:
    """The count of one source or step, in conversations and in pairs."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._prefix = ""
        self._entered = [0, 0]
        self._left = [0, 0]
        self._changes: dict[str, list[int]] = {}
        self._examples: dict[str, list[str]] = {}
        self._noted: dict[str, int] = {}

    def enter(self, conversations: int = 1, *, pairs: int = 1) -> None:
        """Count raw records, or conversations, that come in."""
        self._entered[0] += conversations
        self._entered[1] += pairs

    def change(self, reason: str, *, conversations: int = 0, pairs: int = 0) -> None:
        """Count a difference between what comes in and what goes out: negative for a loss."""
        change = self._changes.setdefault(self._prefix + reason, [0, 0])
        change[0] += conversations
        change[1] += pairs

    def drop(self, reason: str, identifier: str, *, conversations: int = 1, pairs: int = 1) -> None:
        """Count a loss and keep the id as an example."""
        self.change(reason, conversations=-conversations, pairs=-pairs)
        self._example(self._prefix + reason, identifier, MAX_EXAMPLES)

    def note(self, reason: str, identifier: str, *, limit: int | None = MAX_EXAMPLES) -> None:
        """Count something that changes no number, with the id as an example; `limit=None` keeps all ids."""
        reason = self._prefix + reason
        self._noted[reason] = self._noted.get(reason, 0) + 1
        self._example(reason, identifier, limit)

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

    def leave(self, conversation: Conversation) -> None:
        """Count one that goes out."""
        self._left[0] += 1
        self._left[1] += len(conversation.pairs)

    def balance(self, reason: str) -> None:
        """Put down to one reason whatever the changes do not explain yet."""
        conversations, pairs = (
            self._left[k] - self._entered[k] - sum(change[k] for change in self._changes.values()) for k in (0, 1)
        )
        self.change(reason, conversations=conversations, pairs=pairs)

    def inner(self, step: str) -> "Tally":
        """The tally of a step that runs inside this one: its changes and examples count here, under its name."""
        inner = Tally(step)
        inner._prefix = f"{self._prefix}{step}: "
        inner._changes, inner._examples, inner._noted = self._changes, self._examples, self._noted
        return inner

    def summary(self) -> FunnelStep:
        """The funnel step; the caller checks that it adds up."""
        conversations, pairs = (
            Flow(self._entered[k], self._left[k], {r: c[k] for r, c in self._changes.items() if c[k]}) for k in (0, 1)
        )
        return FunnelStep(self.step, conversations, pairs, noted=self._noted, examples=self._examples)


def _counted(conversations: Iterable[Conversation], counts: list[int]) -> Iterator[Conversation]:
    for conversation in conversations:
        counts[0] += 1
        counts[1] += len(conversation.pairs)
        yield conversation
