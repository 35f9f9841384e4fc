"""Checks of the numbers: the funnel, the recipe's expectations, the paper's counts."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from mix665k.mixtures.build.plan import is_held
from mix665k.mixtures.inspect.fingerprint import Tally, fingerprint
from mix665k.mixtures.storage.integrity import funnel_faults, unequal
from mix665k.mixtures.storage.published_counts import ALL_RECORDS, Audit, audit_source, has_all
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.mixtures.verify.verification import Check, checked
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.manifest import MANIFEST, Manifest


class Count(NamedTuple):
    """Rows and question-answer pairs that are there."""

    rows: int
    pairs: int


def check_funnel(manifest: Manifest, counts: Mapping[str, Count]) -> Check:
    """The funnel adds up and ends at what is there."""
    lines = list(funnel_faults(manifest))
    for entry in manifest.sources:
        rows, pairs = counts[entry.name]
        lines += unequal(f"{entry.name}: records that are there", rows, entry.conversations)
        lines += unequal(f"{entry.name}: pairs that are there", pairs, entry.pairs)
    steps = sum(len(entry.funnel) for entry in manifest.sources)
    return checked("funnel", lines, seen=f"{steps} steps of {len(manifest.sources)} sources")


def check_recipe(manifest: Manifest, counts: Mapping[str, Count]) -> Check:
    """The sources are those of the recipe, with as many records as it expects."""
    expecting = [entry for entry in manifest.sources if entry.expect]
    met = sum(counts[entry.name].rows == entry.expect.count for entry in expecting if entry.expect)
    seen = f"{met} of {len(expecting)} as expected"
    if lines := [*_recipe_faults(manifest), *_misses(manifest, counts, held=True)]:
        return checked("recipe's counts", lines, seen=seen)
    if not expecting:
        return Check("recipe's counts", "not applicable", "the recipe expects none")
    return checked("recipe's counts", _misses(manifest, counts, held=False), seen=seen, otherwise="differs")


def _recipe_faults(manifest: Manifest) -> Iterator[str]:
    """Where the manifest contradicts the recipe it holds."""
    try:
        recipe = load_recipe(manifest.recipe, where=f"{MANIFEST}: recipe")
    except RecipeError as error:
        yield str(error)
        return
    blocks = {block.label: block for block in recipe.sources if _is_asked(block.label, manifest.overrides)}
    names = [entry.name for entry in manifest.sources]
    if names != list(blocks):
        yield f"{MANIFEST}: sources {', '.join(names)}, expected {', '.join(blocks)} as its recipe says"
    if (manifest.name, manifest.integer_ids) != (recipe.name, recipe.integer_ids):
        yield f"{MANIFEST}: name or integer_ids are not those of its recipe"
    for entry in manifest.sources:
        block = blocks.get(entry.name)
        if block and (block.source, block.expect) != (entry.source, entry.expect):
            yield f"{MANIFEST}: {entry.name}: source or expectation are not those of its recipe"


def _is_asked(label: str, overrides: dict[str, Any]) -> bool:
    """Whether a source of the recipe was to be built."""
    left_out = [*overrides.get("exclude_source", []), *overrides.get("commercial_only", [])]
    return label in overrides.get("source", [label]) and label not in left_out


def _misses(manifest: Manifest, counts: Mapping[str, Count], *, held: bool) -> Iterator[str]:
    """Sources that do not have the expected number of records, those held to it or the others."""
    for entry in manifest.sources:
        rows = counts[entry.name].rows
        if entry.expect and rows != entry.expect.count and is_held(entry, manifest.overrides) == held:
            expected = f"{entry.expect.count:,} ({entry.expect.because})"
            yield f"{entry.name}: {rows:,} records, the recipe expects {expected}"


def check_positions(manifest: Manifest, counts: Mapping[str, Count]) -> Check:
    """Every source ends where the recipe says that the published file ends it."""
    ends = accumulate(counts[entry.name].rows for entry in manifest.sources)
    expected = {entry.name: entry.expect.last_position for entry in manifest.sources if entry.expect}
    known = {
        entry.name: (end - 1, last)
        for entry, end in zip(manifest.sources, ends, strict=True)
        if (last := expected.get(entry.name)) is not None
    }
    if not known:
        return Check("positions", "not applicable", "the recipe expects none")
    lines = [
        f"{name}: its last record is at {end:,}, in the published file at {last:,} ({end - last:+,})"
        for name, (end, last) in known.items()
        if end != last
    ]
    seen = f"{len(known) - len(lines)} of {len(known)} sources end where they do in the published file"
    return checked("positions", lines, seen=seen, otherwise="differs")


def check_paper(counts: Mapping[str, Count]) -> Check:
    """Records beside those of the published files."""
    audits = {name: audit_source(name, count.rows) for name, count in counts.items()}
    known = {name: audit for name, audit in audits.items() if audit}
    if not known:
        return Check("paper's counts", "not applicable", "no source of the published files")
    if has_all(set(counts)):
        total = sum(count.rows for count in counts.values())
        known["all"] = Audit(ALL_RECORDS, total - ALL_RECORDS)
    lines = [
        f"{name}: {audit.published + audit.difference:,} records, published {audit.published:,} ({audit.difference:+,})"
        for name, audit in known.items()
        if audit.difference
    ]
    seen = f"{len(known) - len(lines)} of {len(known)} equal"
    return checked("paper's counts", lines, seen=seen, otherwise="differs")


def check_fingerprint(tallies: Mapping[str, Tally]) -> Check:
    """What is known of the published file in numbers besides its counts."""
    found = fingerprint(tallies)
    if not found.measured:
        return Check("fingerprint", "not applicable", "no source has about its published number of records")
    off = [one for one in found.measured if not one.equal]
    lines = [
        f"{one.source}: {one.measure}: {one.ours:,}, published {one.published:,} ({one.difference:+,}; {one.evidence})"
        for one in off
    ]
    seen = f"{len(found.measured) - len(off)} of {len(found.measured)} numbers equal"
    return checked("fingerprint", [*found.remarks, *lines] if off else [], seen=seen, otherwise="differs")
