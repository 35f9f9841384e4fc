"""The last steps of every source: its images are there, its ids unique, its records valid."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mix665k.builders.funnel import Tally
from mix665k.builders.raw import OnBadRecord
from mix665k.mixtures.storage.parquet import Named, name
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import FunnelStep

IMAGES = "images"
"""The step of a funnel that looks for images."""
_MISSING = "image missing"


def with_images(
    conversations: Iterable[Conversation], tally: Tally, *, is_there: Callable[[Conversation], bool]
) -> Iterator[Conversation]:
    """Conversations whose image is there, or that have none; the ids of all others are kept in the funnel."""
    for conversation in conversations:
        if conversation.image is None or is_there(conversation):
            yield conversation
        else:
            tally.drop(_MISSING, pairs=len(conversation.pairs))
            tally.note(_MISSING, _name_missing(conversation), limit=None)


def require_images(step: FunnelStep, *, label: str, images: Path) -> None:
    """No image was missing.

    Raises:
        MixtureError: with their number.
    """
    if missing := step.noted.get(_MISSING):
        first = step.examples[_MISSING][0].partition(": ")[2]
        raise MixtureError(
            f"{label}: {missing:,} records have no image under {images}, the first is {first}; "
            "get the images or pass --on-missing-image drop"
        )


def was_there(funnel: Iterable[FunnelStep]) -> Callable[[Conversation], bool] | None:
    """Whether a conversation's image was there when this funnel was counted; None when nobody looked."""
    missing = [set(step.examples.get(_MISSING, ())) for step in funnel if step.step == IMAGES]
    return (lambda conversation: _name_missing(conversation) not in missing[0]) if missing else None


def _name_missing(conversation: Conversation) -> str:
    return f"{conversation.id}: {conversation.image}"


def named(conversations: Iterable[Conversation], *, label: str) -> Iterator[Named]:
    """Conversations with their ids: `<source>/<raw id>`, and `#k` where a raw id can give several.

    Raises:
        MixtureError: when an id occurs twice.
    """
    times: dict[str, int] = {}
    seen: set[str] = set()
    for conversation in conversations:
        identifier = f"{label}/{conversation.id}"
        if conversation.several:
            k = times.get(conversation.id, 0)
            times[conversation.id] = k + 1
            identifier = f"{identifier}#{k}"
        if identifier in seen:
            raise MixtureError(f"{label}: id {identifier!r} occurs twice, expected once; is a raw file repeated?")
        seen.add(identifier)
        yield name(identifier, conversation)


def valid(records: Iterable[Named], tally: Tally, *, label: str, on_bad_record: OnBadRecord) -> Iterator[Named]:
    """Records that agree with the published schema and the rules of conversations.

    Raises:
        MixtureError: for one that does not, unless bad records are dropped.
    """
    check = RecordCheck()
    for record in records:
        why = check.record(record, source=label)
        pairs = record.conversation.pairs
        if why is None:
            yield record
        elif on_bad_record == "drop":
            tally.drop("bad record", f"{record.id}: {why}", pairs=len(pairs))
        else:
            origins = ", ".join(pair.origin for pair in pairs[:3])
            raise MixtureError(
                f"{label}: {record.id} (from {origins}): {why}; mend the raw record or pass --on-bad-record drop"
            )


def counted(records: Iterable[Named], tally: Tally) -> Iterator[Named]:
    """Count what goes out."""
    for record in records:
        tally.leave(record.conversation)
        yield record
