"""The last steps of every source: its images are there, its ids unique, its records valid."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from builders.raw import OnBadRecord
from builders.tally import Tally
from mixtures.check import RecordCheck
from mixtures.store import Named, name
from schemas.conversation import Conversation
from schemas.errors import MixtureError


def with_images(
    conversations: Iterable[Conversation], tally: Tally, *, label: str, images: Path, drop: bool
) -> Iterator[Conversation]:
    """Conversations whose image is there, or that have none; the ids of all others are kept in the funnel.

    Raises:
        MixtureError: unless they are dropped, at the end, with their number.
    """
    missing: list[str] = []
    for conversation in conversations:
        if conversation.image is None or (images / conversation.image).is_file():
            yield conversation
            continue
        missing.append(conversation.image)
        tally.change("image missing", conversations=-1, pairs=-len(conversation.pairs))
        tally.note("image missing", f"{conversation.id}: {conversation.image}", limit=None)
    if missing and not drop:
        raise MixtureError(
            f"{label}: {len(missing):,} records have no image under {images}, the first is {missing[0]}; "
            "get the images or pass --on-missing-image drop"
        )


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
