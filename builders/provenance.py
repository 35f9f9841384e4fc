"""Following the origins of pairs back to the raw records that they were made of."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.raw import json_path, sound_entries
from mix665k.builders.registry import Entry, Lead, Source
from mix665k.schemas.files import UNREADABLE


class Found(NamedTuple):
    """A raw record behind a pair: where it stands in its file, whole, and which items of its lists the pair is of."""

    where: str
    record: Any
    items: dict[str, list[int]]


class Trace(NamedTuple):
    """Where one lead takes an origin: the id of the record in words, and the record where it was looked for and found.

    `key` is None where an earlier record would have told it.
    """

    lead: Lead
    id: str
    key: str | None
    found: Found | None


def follow(
    source: Source, paths: Mapping[str, Path], origins: Collection[str], *, progress: Callable[[int], None]
) -> dict[str, list[Trace]]:
    """Where the source's trail takes each origin; every file of `paths` is read once, until all is found.

    Raises:
        RawDataError: when a file is damaged.
    """
    traces: dict[str, list[Trace]] = {origin: [] for origin in origins}
    records: dict[str, dict[str, Any]] = {origin: {} for origin in origins}
    for lead in source.trail:
        file, path = source.about.file(lead.role), paths.get(lead.role)
        keys = {o: lead.key(o.removeprefix(lead.prefix), records[o]) for o in traces if o.startswith(lead.prefix)}
        entries: dict[str, Entry] = {}
        if path is not None:
            all_entries = sound_entries(file, path, progress)
            entries = _first(
                lead.called(all_entries) if lead.called else _by_id(all_entries), set(keys.values()) - {None}
            )
        for origin, key in keys.items():
            entry = entries.get(key or "")
            found = None
            if entry is not None:
                items = lead.items(origin.removeprefix(lead.prefix), entry.record) if lead.items else {}
                found = Found(where=json_path(file, entry.place), record=_whole(entry), items=items)
                records[origin][lead.role] = entry.record
            traces[origin].append(Trace(lead=lead, id=lead.id or file.id_name, key=key, found=found))
    return traces


def _first(named: Iterable[tuple[str, Entry]], wanted: set[str | None]) -> dict[str, Entry]:
    """The first entry of each of these names; reading stops when all are found."""
    found: dict[str, Entry] = {}
    if wanted:
        for name, entry in named:
            if name in wanted:
                found.setdefault(name, entry)
                if len(found) == len(wanted):
                    break
    return found


def _by_id(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    return ((entry.id, entry) for entry in entries)


def _whole(entry: Entry) -> Any:
    """A record with all its fields; with the declared ones where another holds what is no JSON."""
    try:
        raw = entry.raw if isinstance(entry.raw, msgspec.Raw) else msgspec.json.encode(entry.raw)
        return msgspec.json.decode(raw)
    except (*UNREADABLE, TypeError):
        return msgspec.to_builtins(entry.record)
