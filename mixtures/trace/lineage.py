"""What `mix trace` tells: a record's pairs, each with the raw records that it was made of."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.parts import Parts
from mix665k.builders.plugin_errors import plugin_errors
from mix665k.builders.plugins import missing_plugin
from mix665k.builders.provenance import Trace, follow
from mix665k.builders.registry import SOURCES, Source, plugin_of
from mix665k.mixtures.build.reuse_key import input_fault
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.terminal import Advance
from mix665k.mixtures.trace.record import Located, find_record
from mix665k.schemas.errors import MixtureError, RawDataError, did_you_mean
from mix665k.schemas.manifest import InputFile, Manifest, SourceEntry

_WORDS = {
    r"merged (\d+)": r"\1 questions or conversations about the image joined",
    r"rotate_(left|right) by (\d+)": r"the options of each question turned \1 by \2 places",
    r"as_is by (\d+)": r"copy \1 of the conversation, the options in raw order",
    r"copy (\d+)": r"copy \1 of the conversation",
    r"prompt added": "a response-format prompt after the first question",
    r"prompts added": "a response-format prompt after every question",
    r"pairs (\d+)-(\d+)": r"a part of the conversation, which was split",
    r"cut after (\d+) of (\d+) pairs": r"the first \1 of \2 pairs, which fit the token limit",
    r"cut after (\d+) of (\d+) pairs, inside the last answer": (
        r"the first \1 of \2 pairs, the last answer cut where the token limit falls"
    ),
    r"(\d+) regions drawn": r"of all regions of the image; for each one of two prompts drawn",
    r"(\d+) sentences shuffled": r"all about the image; for each one of two prompts drawn",
    r"(\d+) turns cut at the ends": r"those before the first question and after the last answer",
}


def in_words(done: str) -> str | None:
    """What a step of this text did; None for one that is not known here."""
    for pattern, words in _WORDS.items():
        if found := re.fullmatch(pattern, done):
            return found.expand(words)
    return None


class StepTaken(msgspec.Struct):
    """What a step did to the record, as the record has it and in words."""

    done: str
    words: str | None


class RawRecord(msgspec.Struct):
    """A raw record behind a pair: its file as the manifest has it, what its id is called and is, and where it stands.

    `path` and `sha256` are those of all parts of the file until the record is found in one of them. `id` is null where
    only another raw record tells it; `where`, `record` and `items` (places in the record's lists that the pair was made
    of) are null without the raw files. `optional` ones may be missing.
    """

    role: str
    path: str
    sha256: str
    id_name: str
    id: str | None
    optional: bool
    where: str | None = None
    items: dict[str, list[int]] | None = None
    record: Any = None


class TracedPair(msgspec.Struct):
    """A question and its answer as they stand in the mixture, and where they came from."""

    question: str
    answer: str
    origin: str
    raw: list[RawRecord]


class TracedRecord(msgspec.Struct):
    """A record of a mixture with its lineage; `faults` are raw files and records that are not what they should be."""

    id: str
    source: str
    image: str | None
    reference_id: str
    steps: list[StepTaken]
    pairs: list[TracedPair]
    files: list[InputFile]
    faults: list[str] = []
    more_images: list[str] = []
    system: str | None = None


def trace(folder: Path, identifier: str, raw: Path | None, *, advance: Advance) -> TracedRecord:
    """A record and where it came from; with the raw folder also the raw records.

    Raises:
        MixtureError: when the mixture has no such record.
        RawDataError: when there is no raw folder, or a raw file is damaged. One that is another than the mixture was
            built from is a fault, see `require_traced`.
    """
    if raw is not None and not raw.is_dir():
        raise RawDataError(f"--raw {raw}: no such folder; `mix sources` lists what belongs there")
    mixture = Mixture.open(folder)
    located = find_record(mixture, identifier)
    source = _source(located.entry, mixture.require_manifest())
    origins = list(dict.fromkeys(located.row["origins"]))
    roles = {lookup.role for lookup in source.lookups if any(origin.startswith(lookup.prefix) for origin in origins)}
    used = [file for file in located.entry.inputs if file.role in roles]
    paths, faults = _paths(used, raw, lambda share: advance(share / 2))
    whole = max(sum(file.bytes for file in used), 1)
    with plugin_errors(f"lookups of source {source.name}"):
        traces = follow(source, paths, origins, progress=lambda num_bytes: advance(num_bytes / whole / 2))
    if raw is not None:
        faults += [line for origin in origins for line in _lost(origin, traces[origin], paths)]
    return _traced(located, traces, raw=raw, files=used, faults=faults)


def require_traced(found: TracedRecord) -> None:
    """Every raw file is the one that the mixture was built from, and holds what the record was made of.

    Raises:
        RawDataError: with the number of those that do not, and the first.
    """
    if found.faults:
        more = f" (and {len(found.faults) - 1} more)" if len(found.faults) > 1 else ""
        raise RawDataError(f"{found.faults[0]}{more}; get the files that the mixture was built from")


def _source(entry: SourceEntry, manifest: Manifest) -> Source:
    if entry.source not in SOURCES or plugin_of(SOURCES[entry.source]):
        for used in manifest.plugins:
            if entry.name in used.sources and (why := missing_plugin(used)):
                raise MixtureError(f"{entry.name}: {why}")
    if entry.source not in SOURCES:
        raise MixtureError(
            f"{entry.name}: made by source {entry.source!r}, which is not here{did_you_mean(entry.source, SOURCES)}"
        )
    source = SOURCES[entry.source]
    if not source.lookups:
        raise MixtureError(f"{entry.name}: source {entry.source!r} does not say where an origin leads; give it lookups")
    return source


def _paths(files: list[InputFile], raw: Path | None, advance: Advance) -> tuple[dict[str, Parts], list[str]]:
    """The raw files that are there, by role, and what is wrong with them; each file is hashed once."""
    if raw is None:
        return {}, []
    whole = max(sum(file.bytes for file in files), 1)
    faults: dict[str, str | None] = {}
    for file in files:
        if file.path not in faults:
            faults[file.path] = input_fault(file, raw / file.path)
        advance(file.bytes / whole)
    paths: dict[str, Parts] = {}
    for file in files:
        if (raw / file.path).is_file():
            paths[file.role] = (*paths.get(file.role, ()), raw / file.path)
    return paths, [why for why in faults.values() if why]


def _lost(origin: str, traces: list[Trace], paths: Mapping[str, Parts]) -> Iterator[str]:
    """Records that are not in their files."""
    for one in traces:
        if one.key is not None and one.found is None and one.lookup.role in paths and not one.lookup.optional:
            looked_in = ", ".join(str(path) for path in paths[one.lookup.role])
            yield f"{looked_in}: no record of {one.id_name} {one.key!r}, expected it for origin {origin!r}"


def _traced(
    located: Located,
    traces: Mapping[str, list[Trace]],
    *,
    raw: Path | None,
    files: list[InputFile],
    faults: list[str],
) -> TracedRecord:
    row = located.row
    by_role: dict[str, list[InputFile]] = {}
    for file in files:
        by_role.setdefault(file.role, []).append(file)
    texts = [turn["value"] for turn in row["conversations"]]
    pairs = [
        TracedPair(
            question,
            answer=answer,
            origin=origin,
            raw=[_raw_record(one, by_role, raw) for one in traces[origin] if one.lookup.role in by_role],
        )
        for question, answer, origin in zip(texts[::2], texts[1::2], row["origins"], strict=True)
    ]
    steps = [StepTaken(done, in_words(done)) for done in row["steps"]]
    return TracedRecord(
        row["id"],
        source=row["source"],
        image=row["image"],
        more_images=row["more_images"] or [],
        system=row["system"],
        reference_id=row["reference_id"],
        steps=steps,
        pairs=pairs,
        files=files,
        faults=faults,
    )


def _raw_record(one: Trace, files: Mapping[str, list[InputFile]], raw: Path | None) -> RawRecord:
    parts, found = files[one.lookup.role], one.found
    if found is not None and raw is not None:
        parts = [part for part in parts if raw / part.path == found.part]
    told = RawRecord(
        one.lookup.role,
        path=", ".join(part.path for part in parts),
        sha256=", ".join(part.sha256 for part in parts),
        id_name=one.id_name,
        id=one.key,
        optional=one.lookup.optional,
    )
    if found is not None:
        told.where, told.items, told.record = found.where, found.items, found.record
    return told


def to_json(found: TracedRecord) -> str:
    """The whole as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
