"""Following the origins of pairs back to the raw records that they were made of."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.decode import json_path, sound_entries
from mix665k.builders.parts import Parts
from mix665k.builders.registry import DecodedRecord, Lookup, Source
from mix665k.schemas.files import UNREADABLE


class Found(NamedTuple):
    """A raw record behind a pair: its file, where it stands there, all of it, and which items of its lists are used."""

    part: Path
    where: str
    record: Any
    items: dict[str, list[int]]


class Trace(NamedTuple):
    """What one lookup gives for an origin: the record, if it was looked for and found, and the key it was looked up by.

    `id_name` is what the key is called in words. `key` is None where it depends on a record that was not found.
    """

    lookup: Lookup
    id_name: str
    key: str | None
    found: Found | None


def follow(
    source: Source, paths: Mapping[str, Parts], origins: Collection[str], *, progress: Callable[[int], None]
) -> dict[str, list[Trace]]:
    """Where the source's lookups take each origin; every file of `paths` is read once, until all is found.

    Raises:
        RawDataError: when a file is damaged.
    """
    traces: dict[str, list[Trace]] = {origin: [] for origin in origins}
    records: dict[str, dict[str, Any]] = {origin: {} for origin in origins}
    for lookup in source.lookups:
        file, parts = source.about.file(lookup.role), paths.get(lookup.role)
        keys = {o: lookup.key(o.removeprefix(lookup.prefix), records[o]) for o in traces if o.startswith(lookup.prefix)}
        entries: dict[str, DecodedRecord] = {}
        if parts:
            all_entries = sound_entries(file, parts, progress)
            entries = _first(
                lookup.names(all_entries) if lookup.names else _by_id(all_entries), set(keys.values()) - {None}
            )
        for origin, key in keys.items():
            entry = entries.get(key or "")
            found = None
            if entry is not None:
                items = lookup.items(origin.removeprefix(lookup.prefix), entry.record) if lookup.items else {}
                found = Found(entry.part, where=json_path(file, entry.place), record=_whole(entry), items=items)
                records[origin][lookup.role] = entry.record
            traces[origin].append(Trace(lookup=lookup, id_name=lookup.id_name or file.id_name, key=key, found=found))
    return traces


def _first(named: Iterable[tuple[str, DecodedRecord]], wanted: set[str | None]) -> dict[str, DecodedRecord]:
    """The first entry of each of these names; reading stops when all are found."""
    found: dict[str, DecodedRecord] = {}
    if wanted:
        for name, entry in named:
            if name in wanted:
                found.setdefault(name, entry)
                if len(found) == len(wanted):
                    break
    return found


def _by_id(entries: Iterable[DecodedRecord]) -> Iterator[tuple[str, DecodedRecord]]:
    return ((entry.id, entry) for entry in entries)


def _whole(entry: DecodedRecord) -> Any:
    """A record with all its fields; with the declared ones where another holds what is no JSON."""
    try:
        raw = entry.raw if isinstance(entry.raw, msgspec.Raw) else msgspec.json.encode(entry.raw)
        return msgspec.json.decode(raw)
    except (*UNREADABLE, TypeError):
        return msgspec.to_builtins(entry.record)
