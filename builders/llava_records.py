"""Records in LLaVA's own form, which several sources are published in."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, Literal

import msgspec

from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import DecodedRecord, Download, Lookup, RawFile, by_numbered_origin, number_of
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair, count_tokens, in_order

Kind = Literal["mixture", "llava_json"]
LLAVA_JSON: Final = "llava_json"
"""What reports call a file in this form, beside a mixture's folder."""


class Said(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"from": "human", "value": "<image>\\nWhat is this?"}`."""

    role: Literal["human", "gpt"] = msgspec.field(name="from")
    value: str


class LlavaRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"id": "000000033471", "image": "coco/train2017/000000033471.jpg", "conversations": [turns]}`.

    The published mixture has `model` in place of `image` in its text-only records; it is always empty.
    """

    id: str | int
    conversations: list[Said]
    image: str | None = None
    model: Any = None

    @property
    def images(self) -> list[str]:
        """Its images, in reading order."""
        return [self.image] if self.image else []

    @property
    def system(self) -> str | None:
        """The text of its system turn, which LLaVA's form does not have."""
        return None


class AdaptedRecord(LlavaRecord, gc=False):
    """A record that was not of LLaVA's form: what was done to read it, and the names of fields that were left out."""

    more_images: tuple[str, ...] = ()
    system_text: str | None = None
    done: tuple[str, ...] = ()
    not_kept: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        """Its images, in reading order."""
        return in_order(self.image or None, self.more_images)

    @property
    def system(self) -> str | None:
        """The text of its system turn, or of its field `system`."""
        return self.system_text


_ROLES: dict[object, Literal["human", "gpt", "system"]] = {
    **{"human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt"},
    "system": "system",
}
EMPTY_IMAGE = "empty image read as none"
_KEPT = ("id", "image", "conversations", "messages", "model", "system")
_OTHER_KEYS = {"role": "from", "content": "value"}


def adapt(value: Any, place: str | int) -> AdaptedRecord:
    """A record that means what LLaVA's form says in other words, as people's own files and other trainers write it.

    Raises:
        ValueError: for one whose meaning is not plain, with what was expected.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with id, image and conversations, got {_kind(value)}")
    done: list[str] = []
    if "reference_id" in value and "origins" in value:
        value = _of_mixture(value)
        done.append("reference_id read as id")
    if "image" not in value and isinstance(value.get("images"), list):  # as `mix export --format messages` writes it
        value = {"image" if name == "images" else name: one for name, one in value.items()}
        done.append("images read as image")
    not_kept = [name for name in value if name not in _KEPT]
    system, turns = _turns_of(value, done, not_kept)
    images = _images_of(value, done)
    return AdaptedRecord(
        id=_id_of(value, place, done),
        image=images[0] if images else None,
        more_images=tuple(images[1:]),
        system_text=system,
        conversations=turns,
        done=tuple(dict.fromkeys(done)),
        not_kept=tuple(not_kept),
    )


def _of_mixture(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a mixture with the id of its data set, and all its images in one list where it has several."""
    ours = {name: one for name, one in row.items() if name not in ("reference_id", "more_images")}
    more = row.get("more_images") or []
    return ours | {"id": row["reference_id"]} | ({"image": [row.get("image"), *more]} if more else {})


def _turns_of(value: dict[str, Any], done: list[str], not_kept: list[str]) -> tuple[str | None, list[Said]]:
    """The text of the system turn, if there is one, and the turns of human and gpt."""
    key = "messages" if "messages" in value and "conversations" not in value else "conversations"
    found = value.get(key)
    if not isinstance(found, list):
        raise ValueError(f"{key}: expected a list of turns, got {_kind(found)}")
    if key == "messages":
        done.append("messages read as conversations")
    system = value.get("system") or None
    if system is not None and not isinstance(system, str):
        raise ValueError(f"system: expected text, got {_kind(system)}")
    turns = []
    for i, turn in enumerate(found):
        role, text = _said(turn, f"{key}[{i}]", done, not_kept=not_kept)
        if role != "system":
            turns.append(Said(role, text))
        elif i or system is not None:
            raise ValueError(f"{key}[{i}]: a system turn, expected one at most, before all others")
        else:
            system = text or None
    return system, turns


def _said(
    turn: Any, where: str, done: list[str], *, not_kept: list[str]
) -> tuple[Literal["human", "gpt", "system"], str]:
    """Who says what in a turn."""
    if not isinstance(turn, dict):
        raise ValueError(f"{where}: expected an object with from and value, got {_kind(turn)}")
    named = {_OTHER_KEYS.get(name, name): one for name, one in turn.items()}
    not_kept += [f"conversations[].{name}" for name in named if name not in ("from", "value")]
    said_by, text = named.get("from"), named.get("value")
    role = said_by.lower() if isinstance(said_by, str) else None
    if role not in _ROLES:
        raise ValueError(f"{where}: turn by {said_by!r}, expected human or gpt (user or assistant)")
    if not isinstance(text, str):
        raise ValueError(f"{where}: value: expected text, got {_kind(text)}")
    if role != "system" and (said_by != _ROLES[role] or "role" in turn):
        done.append("user and assistant read as human and gpt")
    return _ROLES[role], text


def _id_of(value: dict[str, Any], place: str | int, done: list[str]) -> str | int:
    found = value.get("id")
    if found is None:
        done.append("id made from its place")
        return str(place)
    if isinstance(found, float) and found.is_integer():
        done.append("fractional id read as a whole number")
        return int(found)
    if not isinstance(found, str | int) or isinstance(found, bool):
        raise ValueError(f"id: expected text or a whole number, got {_kind(found)}")
    return found


def _images_of(value: dict[str, Any], done: list[str]) -> list[str]:
    """The images, in the order of the list they are in."""
    found = value.get("image")
    if isinstance(found, list):
        done += {0: [EMPTY_IMAGE], 1: ["list of one image read as the image"]}.get(len(found), [])
    elif found == "":
        done.append(EMPTY_IMAGE)
        found = None
    images = found if isinstance(found, list) else [] if found is None else [found]
    for one in images:
        if not isinstance(one, str):
            raise ValueError(f"image: expected a path or null, got {_kind(one)}")
    if len(images) > 1 and "" in images:
        raise ValueError(f"image: an empty path among {len(images)}, expected none")
    return images


def _kind(value: object) -> str:
    """A JSON value's type in words."""
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return words.get(type(value), "a number")


def llava_file(path: str, *, hub: str | None = None, num_bytes: int | None = None) -> RawFile:
    """A file of such records under the role `records`, from a data set of the hub or the user's own."""
    return RawFile(
        role="records",
        path=path,
        form=LlavaRecord,
        adapt=adapt,
        table_columns=("conversations", "messages"),
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
        if take_turns(answered(entry.record)):
            yield _count(entry.record, times, several=several), entry


def _place(origin: str, record: LlavaRecord) -> dict[str, list[int]]:
    first = len(record.conversations) - len(answered(record)) + 2 * number_of(origin)
    return {"conversations": [first, first + 1]}


def answered(record: LlavaRecord) -> list[Said]:
    """The turns of a record without a leading one by gpt, which LLaVA's trainer leaves out too."""
    turns = record.conversations
    return turns[1:] if turns and turns[0].role == "gpt" else turns


def take_turns(turns: list[Said]) -> bool:
    """Whether human and gpt speak in turn, and the last word is gpt's."""
    roles = [turn.role for turn in turns]
    return bool(roles) and roles == ["human", "gpt"] * (len(roles) // 2)


def _count(record: LlavaRecord, times: dict[str, int], *, several: bool) -> str:
    """The id of a record, with its number among those of this id where there may be several."""
    name = str(record.id)
    k = times.get(name, 0)
    times[name] = k + 1
    return f"{name}#{k}" if several else name


def llava_conversations(raw: RawFiles, *, image_folder: str, several: bool) -> Iterator[Conversation]:
    """The conversations of the file `records`; `several` says that its ids may repeat."""
    for where, record in raw.entering("records"):
        name = str(record.id)
        turns = answered(record)
        if not take_turns(turns):
            roles = ", ".join(turn.role for turn in record.conversations) or "no one"
            why = f"{where}.conversations: turns by {roles}, expected human and gpt in turn"
            raw.reject("records", name, why, pairs=len(record.conversations) // 2)
            continue
        k = raw.numbers.next(name)
        origin = f"{name}#{k}" if several else name
        pairs = [
            Pair(human.value, gpt.value, f"{origin}/{i}")
            for i, (human, gpt) in enumerate(zip(turns[::2], turns[1::2], strict=True))
        ]
        done = record.done if isinstance(record, AdaptedRecord) else ()
        images = [f"{image_folder}{'/' if image_folder else ''}{image}" for image in record.images]
        tokens = count_tokens(pairs)
        if len(images) > 1 and tokens != len(images):
            why = f"{where}: {tokens} {IMAGE_TOKEN} in the human turns, expected {len(images)}"
            raw.reject("records", name, why, pairs=len(pairs))
            continue
        if record.image == "" and EMPTY_IMAGE not in done:
            done += (EMPTY_IMAGE,)
        if len(turns) < len(record.conversations):
            done += ("leading gpt turn left out",)
        if images and not tokens:
            done += (f"{IMAGE_TOKEN} put in front",)
        for what in done:
            raw.note(what, name)
        yield Conversation(
            id=name,
            image=images[0] if images else None,
            more_images=tuple(images[1:]),
            system=record.system,
            pairs=pairs,
            several=several,
            history=done,
        )
