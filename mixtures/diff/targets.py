"""Comparing what the user names: mixtures and files in LLaVA's own form, in any combination."""

from collections.abc import Collection
from itertools import chain
from pathlib import Path

from mix665k.mixtures.diff.compare import Request, compare
from mix665k.mixtures.diff.comparison import OUTCOMES, Comparison, Side, SourceComparison, percent
from mix665k.mixtures.diff.manifest_changes import manifest_changes
from mix665k.mixtures.diff.prompts import known_prompts
from mix665k.mixtures.diff.sides import Contents, read_file, read_mixture
from mix665k.mixtures.diff.telling import BOTH_VQA
from mix665k.mixtures.inspect.measure import ALL
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.integrity import require_sums, whole_rows
from mix665k.mixtures.storage.prompt_kinds import SOURCES
from mix665k.mixtures.storage.published_counts import RECORDS
from mix665k.schemas.errors import MixtureError, did_you_mean
from mix665k.schemas.manifest import Manifest, load_manifest

_READING = 0.45
"""The share of each side in the time of a comparison."""


def compare_targets(here: Path, there: Path, request: Request, *, advance: Advance) -> Comparison:
    """Everything `mix diff` tells about two targets, each a mixture's folder or a JSON file in LLaVA's own form.

    Two mixtures with equal row hashes are found whole, but not compared record by record.

    Raises:
        MixtureError: for a mixture that is damaged, a target or a source that is not there.
        RawDataError: for a file that is no JSON list. Records of it with faults are counted.
    """
    manifests = [_manifest(target) for target in (here, there)]
    _require_known(request.sources, manifests)
    prompts = known_prompts(manifest for manifest in manifests if manifest)
    if manifests[0] and manifests[1] and _same_rows(manifests[0], manifests[1]):
        for folder, manifest in ((here, manifests[0]), (there, manifests[1])):
            _require_whole(folder, manifest, lambda share: advance(share / 2))
        return _equal(here, there, manifests[0], manifests[1], request)
    sides = [
        _read(target, manifest, prompts, lambda share: advance(_READING * share))
        for target, manifest in zip((here, there), manifests, strict=True)
    ]
    comparison = compare(sides[0], sides[1], request, prompts)
    advance(1 - 2 * _READING)
    return comparison


def _manifest(target: Path) -> Manifest | None:
    if not target.exists():
        raise MixtureError(f"{target}: no such file or folder, expected a mixture or a JSON file in LLaVA's own form")
    return None if target.is_file() else load_manifest(target)


def _require_known(names: Collection[str], manifests: list[Manifest | None]) -> None:
    known = [entry.name for manifest in manifests if manifest for entry in manifest.sources]
    if None in manifests:
        known += [*RECORDS, *SOURCES, BOTH_VQA]
    for name in names:
        if name not in known:
            raise MixtureError(
                f"--source {name}: neither side has such a source{did_you_mean(name, dict.fromkeys(known))}"
            )


def _read(target: Path, manifest: Manifest | None, prompts: tuple[str, ...], advance: Advance) -> Contents:
    if manifest is None:
        return read_file(target, prompts, advance=advance)
    return read_mixture(target, manifest, prompts, advance=advance)


def _same_rows(here: Manifest, there: Manifest) -> bool:
    return here.row_hash == there.row_hash and set(here.integer_ids) == set(there.integer_ids)


def _require_whole(folder: Path, manifest: Manifest, advance: Advance) -> None:
    require_sums(folder, manifest)
    whole = max(manifest.conversations, 1)
    for shard in chain.from_iterable(entry.shards for entry in manifest.sources):
        for rows in whole_rows(folder, shard):
            advance(len(rows) / whole)


def _equal(here: Path, there: Path, ours: Manifest, theirs: Manifest, request: Request) -> Comparison:
    """What is known of mixtures with the same rows without looking at them."""
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


def _side(folder: Path, manifest: Manifest) -> Side:
    return Side(str(folder), "mixture", manifest.name, manifest.conversations, manifest.row_hash)


def _identical(name: str, records: int, pairs: int) -> SourceComparison:
    found = SourceComparison(name=name, here=records, there=records, identical=records)
    found.percent = {outcome: percent(getattr(found, outcome), records) for outcome in OUTCOMES}
    found.pairs_here = found.pairs_there = found.pairs_shared = pairs
    return found
