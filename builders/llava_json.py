"""Any file in LLaVA's own form: people's own data, or a published mixture."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from builders.raw import RawFiles
from builders.registry import About, RawFile, source
from schemas.conversation import Conversation, Pair


class Said(msgspec.Struct, gc=False):
    """`{"from": "human", "value": "<image>\\nWhat is this?"}`."""

    role: Literal["human", "gpt"] = msgspec.field(name="from")
    value: str


class LlavaRecord(msgspec.Struct, gc=False):
    """`{"id": "000000033471", "image": "coco/train2017/000000033471.jpg", "conversations": [turns]}`."""

    id: str | int
    conversations: list[Said]
    image: str | None = None


def llava_file(path: str, url: str, num_bytes: int | None = None) -> RawFile:
    """A file of such records under the role `records`."""
    return RawFile("records", path, LlavaRecord, "[]", None, url, num_bytes)


ABOUT = About(
    title="a file in LLaVA's own JSON form",
    files=(llava_file("llava.json", "your own"),),
    licence="your own",
    image_licence="your own",
    images="as the file says",
    counts="your own",
)


@source(ABOUT)
def llava_json(raw: RawFiles, *, image_folder: str = "") -> Iterator[Conversation]:
    """The file's conversations as they are, with `image_folder` put before the image names."""
    return llava_conversations(raw, image_folder=image_folder, several=True)


def llava_conversations(raw: RawFiles, *, image_folder: str, several: bool) -> Iterator[Conversation]:
    """The conversations of the file `records`; `several` says that its ids may repeat."""
    times: dict[str, int] = {}
    for where, record in raw.entries("records", counted=True):
        name = str(record.id)
        turns = record.conversations
        roles = [turn.role for turn in turns]
        if not turns or roles != ["human", "gpt"] * (len(turns) // 2):
            why = f"{where}.conversations: turns by {', '.join(roles) or 'no one'}, expected human and gpt in turn"
            raw.reject("records", name, why, counted=True)
            continue
        raw.tally.enter(pairs=len(turns) // 2)
        k = times.get(name, 0)
        times[name] = k + 1
        origin = f"{name}#{k}" if several else name
        pairs = [
            Pair(human.value, gpt.value, f"{origin}/{i}")
            for i, (human, gpt) in enumerate(zip(turns[::2], turns[1::2], strict=True))
        ]
        image = record.image and f"{image_folder}{'/' if image_folder else ''}{record.image}"
        yield Conversation(name, image, pairs, name, several=several)
