"""Following the origins of pairs back to the raw records that they were made of."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mix665k.builders.raw import json_path, sound_entries
from mix665k.builders.registry import Entry, Lead, RawFile, Source


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
        file = source.about.file(lead.role)
        keys = {o: lead.key(o.removeprefix(lead.prefix), records[o]) for o in traces if o.startswith(lead.prefix)}
        wanted = {key for key in keys.values() if key is not None}
        entries = dict(_find(lead, file, paths[lead.role], wanted, progress)) if lead.role in paths else {}
        for origin, key in keys.items():
            entry = entries.get(key or "")
            found = entry and _found(lead, file, entry, origin.removeprefix(lead.prefix))
            traces[origin].append(Trace(lead, lead.id or file.id_name, key, found))
            if entry:
                records[origin][lead.role] = entry.record
    return traces


def _find(
    lead: Lead, file: RawFile, path: Path, wanted: set[str], progress: Callable[[int], None]
) -> Iterator[tuple[str, Entry]]:
    """The first entry of each of these names."""
    missing = set(wanted)
    if not missing:
        return
    for name, entry in (lead.called or _by_id)(sound_entries(file, path, progress)):
        if name in missing:
            missing.remove(name)
            yield name, entry
            if not missing:
                return


def _by_id(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    return ((entry.id, entry) for entry in entries)


def _found(lead: Lead, file: RawFile, entry: Entry, origin: str) -> Found:
    items = lead.items(origin, entry.record) if lead.items else {}
    return Found(json_path(file, entry.place), _whole(entry), items)


def _whole(entry: Entry) -> Any:
    """A record with all its fields; with the declared ones where another holds what is no JSON."""
    try:
        raw = entry.raw if isinstance(entry.raw, msgspec.Raw) else msgspec.json.encode(entry.raw)
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return msgspec.to_builtins(entry.record)
