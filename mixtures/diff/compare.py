"""Comparing two mixtures, each a folder or a JSON file: which records belong together, and what differs."""

from collections.abc import Collection

import polars as pl

from mix665k.mixtures.diff.comparison import OUTCOMES, Comparison, Side, SourceComparison, percent
from mix665k.mixtures.diff.differences import find_differences
from mix665k.mixtures.diff.digests import DigestedMixture, digest_mixture, recognise_prompts, with_pair_sums
from mix665k.mixtures.diff.examples import show
from mix665k.mixtures.diff.manifest_changes import manifest_changes
from mix665k.mixtures.diff.matching import match, match_left, unmatched
from mix665k.mixtures.diff.source_guess import UNDECIDED_SOURCES, guess_from_unmatched, guess_sources
from mix665k.mixtures.diff.summary import count_by_content, first_ones, summarise, total, with_outcomes
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.prompt_kinds import SOURCES, known_prompts
from mix665k.mixtures.storage.published_counts import RECORDS
from mix665k.mixtures.terminal import ALL, Advance
from mix665k.schemas.errors import MixtureError, did_you_mean
from mix665k.schemas.manifest import Manifest

EXAMPLES = 3
"""Differences of each source that are shown unless another number is asked for."""
_READING = 0.45
"""The share of each side in the time of a comparison."""


def compare(
    a: Mixture, b: Mixture, *, sources: Collection[str] = (), examples: int = EXAMPLES, advance: Advance
) -> Comparison:
    """What `mix diff` shows of two mixtures, each a folder or a JSON file in LLaVA's own form.

    Only of these `sources`, where some are given; with the first `examples` differences of each. `advance` is called
    with shares of the whole that add up to 1. Two mixtures with equal row hashes are found intact,
    but not compared record by record.

    Raises:
        MixtureError: for a mixture that is damaged, or a source that neither has.
        RawDataError: for a file that is no JSON list. Records of it with faults are counted.
    """
    manifests = a.manifest, b.manifest
    _require_known(sources, manifests)
    prompts = known_prompts(manifest for manifest in manifests if manifest)
    same_rows = a.manifest and b.manifest and a.manifest.row_hash == b.manifest.row_hash
    if a.manifest and b.manifest and same_rows and set(a.manifest.integer_ids) == set(b.manifest.integer_ids):
        for mixture in (a, b):
            for _ in mixture.batches(advance=lambda share: advance(share / 2)):
                pass
        return _equal(a, b, sources)
    sides = [digest_mixture(mixture, prompts, advance=lambda share: advance(_READING * share)) for mixture in (a, b)]
    comparison = _compare_records(*sides, prompts=prompts, sources=sources, examples=examples)
    advance(1 - 2 * _READING)
    return comparison


def _require_known(names: Collection[str], manifests: Collection[Manifest | None]) -> None:
    known = [entry.name for manifest in manifests if manifest for entry in manifest.sources]
    if None in manifests:
        known += [*RECORDS, *SOURCES, *UNDECIDED_SOURCES]
    for name in names:
        if name not in known:
            raise MixtureError(
                f"--source {name}: neither side has such a source{did_you_mean(name, dict.fromkeys(known))}"
            )


def _equal(a: Mixture, b: Mixture, sources: Collection[str]) -> Comparison:
    """What is known of mixtures with the same rows without looking at them."""
    ours, theirs = a.require_manifest(), b.require_manifest()
    entries = [entry for entry in ours.sources if not sources or entry.name in sources]
    records, pairs = (sum(getattr(entry, unit) for entry in entries) for unit in ("conversations", "pairs"))
    return Comparison(
        a=_side(a, ours),
        b=_side(b, theirs),
        sources=[_identical(entry.name, entry.conversations, entry.pairs) for entry in entries],
        total=_identical(ALL, records, pairs),
        same_order=True,
        manifests=manifest_changes(ours, theirs),
    )


def _side(mixture: Mixture, manifest: Manifest) -> Side:
    return Side(str(mixture.path), kind="mixture", name=mixture.name, records=len(mixture), row_hash=manifest.row_hash)


def _identical(name: str, records: int, pairs: int) -> SourceComparison:
    found = SourceComparison(name=name, a=records, b=records, identical=records)
    found.percent = {outcome: percent(getattr(found, outcome), records) for outcome in OUTCOMES}
    found.pairs_in_a = found.pairs_in_b = found.pairs_shared = pairs
    return found


def _compare_records(
    a: DigestedMixture, b: DigestedMixture, *, prompts: tuple[str, ...], sources: Collection[str], examples: int
) -> Comparison:
    """Everything that a comparison says of two mixtures that have been read."""
    keyed = a.manifest is not None and b.manifest is not None
    digests = recognise_prompts(a.digests, b.digests), recognise_prompts(b.digests, a.digests)
    a, b = (side._replace(digests=with_pair_sums(one)) for side, one in zip((a, b), digests, strict=True))
    a, b = _with_guesses(a, b)
    matches = match(a, b, keyed=keyed)
    a, b, matches = _guess_more(a, b, matches)
    found = with_outcomes(find_differences(a, b, matches, keyed=keyed), a.records["source"])
    comparison = _summary(a, b, found, chosen=sources)
    only = [unmatched(side.records, found[name]) for name, side in (("a", a), ("b", b))]
    chosen = {source.name for source in comparison.sources}
    ones = [one for one in first_ones(found, *only, examples=examples) if one.source in chosen]
    shown = show(ones, a, b, prompts=prompts)
    for source in comparison.sources:
        source.examples = shown.get(source.name, [])
    return comparison


def _with_guesses(a: DigestedMixture, b: DigestedMixture) -> tuple[DigestedMixture, DigestedMixture]:
    """Both sides with a source for each record; a file's are told by what the other side knows."""
    if a.manifest is None:
        a = guess_sources(a, b if b.manifest else None)
    if b.manifest is None:
        b = guess_sources(b, a)
    return a, b


def _guess_more(
    a: DigestedMixture, b: DigestedMixture, matches: pl.DataFrame
) -> tuple[DigestedMixture, DigestedMixture, pl.DataFrame]:
    """Try the undecided records of a file with what is left of a mixture."""
    if (a.manifest is None) == (b.manifest is None):
        return a, b, matches
    left = [unmatched(side.records, matches[name]) for name, side in (("a", a), ("b", b))]
    if a.manifest is None:
        told = guess_from_unmatched(left[1], left[0])
        a = _with_sources(a, told)
    else:
        told = guess_from_unmatched(left[0], left[1])
        b = _with_sources(b, told)
    return a, b, match_left(a, b, matches) if len(told) else matches


def _with_sources(file: DigestedMixture, told: pl.DataFrame) -> DigestedMixture:
    records = file.records
    columns = {name: records[name].scatter(told["row"], told[name]) for name in ("source", "by")}
    return file.with_records(records.with_columns(**columns))


def _summary(a: DigestedMixture, b: DigestedMixture, matches: pl.DataFrame, *, chosen: Collection[str]) -> Comparison:
    frames = {"a": a.records, "b": b.records, "matches": matches}
    names = [name for name in _names(a, b) if not chosen or name in chosen]
    sources = [
        summarise(name, **{key: frame.filter(pl.col("source") == name) for key, frame in frames.items()})
        for name in names
    ]
    of_these = {key: frame.filter(pl.col("source").is_in(names)) for key, frame in frames.items()}
    for contents in (a, b):
        if "by" in contents.records.columns:
            counts = contents.records.group_by("by").len().sort(["len", "by"], descending=[True, False])
            contents.side.source_evidence = dict(counts.rows())
    in_order = of_these["matches"].sort("a")["b"].is_sorted()
    manifests = manifest_changes(a.manifest, b.manifest) if a.manifest and b.manifest else []
    return Comparison(
        a=a.side,
        b=b.side,
        sources=sources,
        total=total(sources, **of_these),
        same_order=in_order,
        manifests=manifests,
        by_content=0 if a.manifest and b.manifest else count_by_content(a.records, of_these["matches"]),
    )


def _names(a: DigestedMixture, b: DigestedMixture) -> list[str]:
    """The sources of both sides, in the order of the first, then of the second."""
    declared = [entry.name for entry in a.manifest.sources] if a.manifest else []
    declared += [entry.name for entry in b.manifest.sources] if b.manifest else []
    occurring = [name for side in (a, b) for name in side.records["source"].unique(maintain_order=True)]
    return list(dict.fromkeys([*declared, *occurring]))
