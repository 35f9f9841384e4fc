"""Only the conversations whose image, or id, a file lists."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import RawDataError
from mix665k.schemas.files import UNREADABLE, fault, os_errors, regular_file
from mix665k.schemas.manifest import NOT_FOUND

_SUFFIX = re.compile(r"\.(?:jpe?g|png|gif|bmp|webp)$", re.IGNORECASE)


@step(short="listed_in", needs="record")
def keep_listed(conversations: Iterable[Conversation], funnel: StepFunnel, *, listed_in: str) -> Iterator[Conversation]:
    """Keep conversations that a file below the raw folder lists, by raw id, image path, or last part of either.

    `listed_in` is a text with one name a line, or a JSON list of names or numbers: `2412354`, `VG_100K_2/2412354` and
    `vg/VG_100K_2/2412354.jpg` are one image. Names that no conversation has are noted and in the manifest.
    """
    wanted: dict[str, str] | None = None
    found: set[str] = set()
    for conversation in conversations:
        if wanted is None:  # not before: recipes are checked without reading
            wanted = read_list(Path(listed_in))
        names = (conversation.id, *((_bare(conversation.image),) if conversation.image else ()))
        keys = [key for name in names for key in (_bare(name), _last(name))]
        hit = next((key for key in keys if key in wanted), None)
        if hit is None:
            funnel.drop(f"not in {Path(listed_in).name}", kind="chosen", pairs=len(conversation.pairs))
            continue
        found.update(key for key in keys if key in wanted)
        yield conversation
    for key in sorted((wanted or {}).keys() - found):
        funnel.note(NOT_FOUND, (wanted or {})[key], limit=None)


def read_list(path: Path) -> dict[str, str]:
    """The names in a list, by what they are compared as: without the suffix of an image.

    Raises:
        RawDataError: when it cannot be read, is empty, or holds what is no name.
    """
    with os_errors(RawDataError, path):
        content = regular_file(path).read_bytes()
    try:
        named: Any = msgspec.json.decode(content) if content.lstrip()[:1] == b"[" else content.decode("utf-8-sig")
    except UNREADABLE as error:
        at, why = fault(error)
        raise RawDataError(
            f"{path}: {f'{at}: ' if at else ''}{why}; expected names, one a line or a JSON list"
        ) from None
    entries = named.splitlines() if isinstance(named, str) else named
    wanted: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, bool) or not isinstance(entry, str | int):
            raise RawDataError(f"{path}: entry {number}: got {entry!r}, expected an id or the path of an image")
        if text := str(entry).strip():
            wanted[_bare(text)] = text
    if not wanted:
        raise RawDataError(f"{path}: names nothing, expected ids or paths of images, one a line or a JSON list")
    return wanted


def _bare(name: str) -> str:
    return _SUFFIX.sub("", name)


def _last(name: str) -> str:
    return _bare(name).rpartition("/")[2]
