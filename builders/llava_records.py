"""Records in LLaVA's own form, which several sources are published in."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, Literal

import msgspec

from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import DecodedRecord, Download, Lookup, RawFile, by_numbered_origin, number_of
from mix665k.schemas.conversation import Conversation, Pair

Kind = Literal["mixture", "llava_json"]
LLAVA_JSON: Final = "llava_json"
"""What reports call a file in this form, beside a mixture's folder."""


class Said(msgspec.Struct, gc=False):
    """`{"from": "human", "value": "<image>\\nWhat is this?"}`."""

    role: Literal["human", "gpt"] = msgspec.field(name="from")
    value: str


class LlavaRecord(msgspec.Struct, gc=False):
    """`{"id": "000000033471", "image": "coco/train2017/000000033471.jpg", "conversations": [turns]}`."""

    id: str | int
    conversations: list[Said]
    image: str | None = None


def llava_file(path: str, *, hub: str | None = None, num_bytes: int | None = None) -> RawFile:
    """A file of such records under the role `records`, from a data set of the hub or the user's own."""
    return RawFile(
        role="records",
        path=path,
        form=LlavaRecord,
        download=Download(name=path.rpartition("/")[2], hub=hub),
        num_bytes=num_bytes,
        pairs=lambda record: len(record.conversations) // 2,
    )


def llava_lookups(*, several: bool) -> tuple[Lookup, ...]:
    """The lookups of `llava_conversations`."""
    return (
        Lookup(
            role="records", key=by_numbered_origin, names=partial(_counted, several=several), id_name="id", items=_place
        ),
    )


def _counted(entries: Iterable[DecodedRecord], *, several: bool) -> Iterator[tuple[str, DecodedRecord]]:
    times: dict[str, int] = {}
    for entry in entries:
        if _take_turns(entry.record):
            yield _count(entry.record, times, several=several), entry


def _place(origin: str, record: LlavaRecord) -> dict[str, list[int]]:  # noqa: ARG001, see `Lookup.items`
    return {"conversations": [2 * number_of(origin), 2 * number_of(origin) + 1]}


def _take_turns(record: LlavaRecord) -> bool:
    roles = [turn.role for turn in record.conversations]
    return bool(roles) and roles == ["human", "gpt"] * (len(roles) // 2)


def _count(record: LlavaRecord, times: dict[str, int], *, several: bool) -> str:
    """The id of a record, with its number among those of this id where there may be several."""
    name = str(record.id)
    k = times.get(name, 0)
    times[name] = k + 1
    return f"{name}#{k}" if several else name


def llava_conversations(raw: RawFiles, *, image_folder: str, several: bool) -> Iterator[Conversation]:
    """The conversations of the file `records`; `several` says that its ids may repeat."""
    times: dict[str, int] = {}
    for where, record in raw.entering("records"):
        name = str(record.id)
        turns = record.conversations
        if not _take_turns(record):
            roles = ", ".join(turn.role for turn in turns) or "no one"
            why = f"{where}.conversations: turns by {roles}, expected human and gpt in turn"
            raw.reject("records", name, why, pairs=len(turns) // 2)
            continue
        origin = _count(record, times, several=several)
        pairs = [
            Pair(human.value, gpt.value, f"{origin}/{i}")
            for i, (human, gpt) in enumerate(zip(turns[::2], turns[1::2], strict=True))
        ]
        image = record.image and f"{image_folder}{'/' if image_folder else ''}{record.image}"
        yield Conversation(id=name, image=image, pairs=pairs, several=several)
