"""Comparing two sides: who belongs to whom, and what differs."""

from typing import NamedTuple

import polars as pl

from mix665k.mixtures.diff.comparison import Comparison, SourceComparison
from mix665k.mixtures.diff.differences import find_differences
from mix665k.mixtures.diff.digests import with_pair_sums
from mix665k.mixtures.diff.examples import show
from mix665k.mixtures.diff.manifest_changes import manifest_changes
from mix665k.mixtures.diff.matching import match, match_left, unmatched
from mix665k.mixtures.diff.sides import Contents
from mix665k.mixtures.diff.summary import first_ones, summarise, total, with_outcomes
from mix665k.mixtures.diff.telling import tell_by_what_is_left, tell_sources
from mix665k.mixtures.diff.unknown_prompts import recognise_prompts

EXAMPLES = 3
"""Differences of each source that are shown unless another number is asked for."""


class Request(NamedTuple):
    """Which sources to tell about, all by default, and how many differences to show for each."""

    sources: tuple[str, ...] = ()
    examples: int = EXAMPLES


def compare(here: Contents, there: Contents, request: Request, prompts: tuple[str, ...]) -> Comparison:
    """Everything that a comparison tells of two sides that have been read."""
    keyed = here.manifest is not None and there.manifest is not None
    digests = recognise_prompts(here.digests, there.digests), recognise_prompts(there.digests, here.digests)
    here, there = (side._replace(digests=with_pair_sums(one)) for side, one in zip((here, there), digests, strict=True))
    here, there = _told(here, there)
    matches = match(here, there, keyed=keyed)
    here, there, matches = _tell_more(here, there, matches)
    found = with_outcomes(find_differences(here, there, matches, keyed=keyed), here.records["source"])
    comparison = _summary(here, there, found, request)
    only = [unmatched(side.records, found[name]) for name, side in (("here", here), ("there", there))]
    chosen = {source.name for source in comparison.sources}
    ones = [one for one in first_ones(found, *only, examples=request.examples) if one.source in chosen]
    shown = show(ones, here, there, prompts)
    for source in comparison.sources:
        source.examples = shown.get(source.name, [])
    return comparison


def _told(here: Contents, there: Contents) -> tuple[Contents, Contents]:
    """Both sides with a source for each record; a file's are told by what the other side knows."""
    if here.manifest is None:
        here = tell_sources(here, there if there.manifest else None)
    if there.manifest is None:
        there = tell_sources(there, here)
    return here, there


def _tell_more(here: Contents, there: Contents, matches: pl.DataFrame) -> tuple[Contents, Contents, pl.DataFrame]:
    """Try the undecided records of a file with what is left of a mixture."""
    if (here.manifest is None) == (there.manifest is None):
        return here, there, matches
    left = [unmatched(side.records, matches[name]) for name, side in (("here", here), ("there", there))]
    if here.manifest is None:
        told = tell_by_what_is_left(left[1], left[0])
        here = _with_sources(here, told)
    else:
        told = tell_by_what_is_left(left[0], left[1])
        there = _with_sources(there, told)
    return here, there, match_left(here, there, matches) if len(told) else matches


def _with_sources(file: Contents, told: pl.DataFrame) -> Contents:
    records = file.records
    columns = {name: records[name].scatter(told["row"], told[name]) for name in ("source", "by")}
    return file.with_records(records.with_columns(**columns))


def _summary(here: Contents, there: Contents, matches: pl.DataFrame, request: Request) -> Comparison:
    ours, theirs = here.records, there.records
    names = [name for name in _names(here, there) if not request.sources or name in request.sources]
    sources: list[SourceComparison] = []
    for name in names:
        own = (frame.filter(pl.col("source") == name) for frame in (ours, theirs, matches))
        sources.append(summarise(name, *own))
    chosen = [frame.filter(pl.col("source").is_in(names)) for frame in (ours, theirs, matches)]
    for contents in (here, there):
        if "by" in contents.records.columns:
            counts = contents.records.group_by("by").len().sort(["len", "by"], descending=[True, False])
            contents.side.told_by = dict(counts.rows())
    in_order = chosen[2].sort("here")["there"].is_sorted()
    manifests = manifest_changes(here.manifest, there.manifest) if here.manifest and there.manifest else []
    return Comparison(here.side, there.side, sources, total(sources, *chosen), in_order, manifests)


def _names(here: Contents, there: Contents) -> list[str]:
    """The sources of both sides, in the order of the first, then of the second."""
    declared = [entry.name for entry in here.manifest.sources] if here.manifest else []
    declared += [entry.name for entry in there.manifest.sources] if there.manifest else []
    occurring = [name for side in (here, there) for name in side.records["source"].unique(maintain_order=True)]
    return list(dict.fromkeys([*declared, *occurring]))
