"""Comparing what the user names: mixtures and files in LLaVA's own form, in any combination."""

from collections.abc import Collection

from mix665k.mixtures.diff.compare import Request, compare
from mix665k.mixtures.diff.comparison import OUTCOMES, Comparison, Side, SourceComparison, percent
from mix665k.mixtures.diff.manifest_changes import manifest_changes
from mix665k.mixtures.diff.prompts import known_prompts
from mix665k.mixtures.diff.sides import read_side
from mix665k.mixtures.diff.telling import UNDECIDED_SOURCES
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.prompt_kinds import SOURCES
from mix665k.mixtures.storage.published_counts import RECORDS
from mix665k.mixtures.terminal import ALL
from mix665k.schemas.errors import MixtureError, did_you_mean
from mix665k.schemas.manifest import Manifest

_READING = 0.45
"""The share of each side in the time of a comparison."""


def compare_targets(here: Mixture, there: Mixture, request: Request, *, advance: Advance) -> Comparison:
    """Everything `mix diff` tells about two mixtures, each a folder or a JSON file in LLaVA's own form.

    Two mixtures with equal row hashes are found intact, but not compared record by record.

    Raises:
        MixtureError: for a mixture that is damaged, or a source that neither has.
        RawDataError: for a file that is no JSON list. Records of it with faults are counted.
    """
    manifests = here.manifest, there.manifest
    _require_known(request.sources, manifests)
    prompts = known_prompts(manifest for manifest in manifests if manifest)
    if here.manifest and there.manifest and _same_rows(here.manifest, there.manifest):
        for mixture in (here, there):
            for _ in mixture.batches(advance=lambda share: advance(share / 2)):
                pass
        return _equal(here, there, request)
    sides = [read_side(mixture, prompts, advance=lambda share: advance(_READING * share)) for mixture in (here, there)]
    comparison = compare(sides[0], sides[1], request, prompts)
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


def _same_rows(here: Manifest, there: Manifest) -> bool:
    return here.row_hash == there.row_hash and set(here.integer_ids) == set(there.integer_ids)


def _equal(here: Mixture, there: Mixture, request: Request) -> Comparison:
    """What is known of mixtures with the same rows without looking at them."""
    ours, theirs = here.require_manifest(), there.require_manifest()
    entries = [entry for entry in ours.sources if not request.sources or entry.name in request.sources]
    records, pairs = (sum(getattr(entry, unit) for entry in entries) for unit in ("conversations", "pairs"))
    return Comparison(
        here=_side(here, ours),
        there=_side(there, theirs),
        sources=[_identical(entry.name, entry.conversations, entry.pairs) for entry in entries],
        total=_identical(ALL, records, pairs),
        same_order=True,
        manifests=manifest_changes(ours, theirs),
    )


def _side(mixture: Mixture, manifest: Manifest) -> Side:
    return Side(str(mixture.path), "mixture", mixture.name, len(mixture), manifest.row_hash)


def _identical(name: str, records: int, pairs: int) -> SourceComparison:
    found = SourceComparison(name=name, here=records, there=records, identical=records)
    found.percent = {outcome: percent(getattr(found, outcome), records) for outcome in OUTCOMES}
    found.pairs_here = found.pairs_there = found.pairs_shared = pairs
    return found
