"""Verifying a mixture against the raw files it was built from: their hashes, and every source built again.

Whole sources are compared by row hash, not by a sample of rows: the rebuilt rows stream past anyway, so hashing all of
them costs nothing more. The drawn sample is there to name the fields that differ.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.bind import BoundSource, bind
from mix665k.builders.plugins import missing_plugin, use_plugins
from mix665k.mixtures.build.plan import Options, overridden, params_of
from mix665k.mixtures.build.reuse_key import TOKENIZER, key_by_this_code
from mix665k.mixtures.engine.tasks import Task
from mix665k.mixtures.parallel import Workers, gather
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.mixtures.terminal import Advance, Bar
from mix665k.mixtures.verify import redrawn
from mix665k.mixtures.verify.intact import Examined, examine
from mix665k.mixtures.verify.rebuild import PRELOAD, RebuildRequest, Rebuilt, rebuild_source
from mix665k.mixtures.verify.sample import ABSENT, Rows, differences, sample_faults
from mix665k.mixtures.verify.verification import Check, Lines, Outcome, Verification, checked
from mix665k.schemas.errors import MixtureError, RawDataError, RecipeError, did_you_mean
from mix665k.schemas.manifest import MANIFEST, Manifest, SourceEntry, load_manifest

_NAMES = ("raw files", "builder", "sources rebuilt", "rows rebuilt", "sample rebuilt", redrawn.NAME)


class RawRequest(NamedTuple):
    """The raw folder, how many records to draw of each source, which sources, and what lies elsewhere now."""

    raw: Path
    sample: int
    sources: tuple[str, ...] = ()
    tokenizer: str | None = None
    draws_from: Path | None = None
    plugins: tuple[Path, ...] = ()


class _Compared(NamedTuple):
    """A source, what building it again gave, and the records drawn of the mixture."""

    entry: SourceEntry
    rebuilt: Rebuilt
    drawn: Rows


def require_request(folder: Path, request: RawRequest) -> None:
    """What is asked for can be done, as far as a look at the manifest tells.

    Raises:
        RawDataError: when there is no raw folder.
        MixtureError: for a source that the mixture has not.
    """
    if not request.raw.is_dir():
        raise RawDataError(f"--raw {request.raw}: no such folder; `mix sources` lists what belongs there")
    if request.sources:
        names = [entry.name for entry in load_manifest(folder).sources]
        for name in request.sources:
            if name not in names:
                raise MixtureError(f"--source {name}: {folder} has no such source{did_you_mean(name, names)}")


def verify_all(folder: Path, request: RawRequest | None, *, jobs: Workers, bar: Bar) -> Verification:
    """Verify a mixture by itself, and where it is asked for against its raw files.

    Raises:
        MixtureError: when there is no such folder, or no such source in it.
        RawDataError: when there is no raw folder.
        RecipeError: for a plugin that cannot be loaded.
    """
    if request is None:
        with bar("verifying") as advance:
            return examine(folder, sample=0, jobs=jobs, advance=advance).verification
    require_request(folder, request)
    use_plugins(request.plugins)
    with bar("verifying") as advance:
        examined = examine(folder, sample=request.sample, jobs=jobs, advance=advance)
    with bar("building again") as advance:
        examined.verification.checks += check_raw(examined, request, jobs=jobs, advance=advance)
    return examined.verification


def check_raw(examined: Examined, request: RawRequest, *, jobs: Workers, advance: Advance) -> list[Check]:
    """Hash what the sources were built from, build them again, and compare rows, funnels and drawn records."""
    manifest = examined.manifest
    if manifest is None:
        return [Check(name, "not checked", "needs the manifest") for name in _NAMES]
    entries = [entry for entry in manifest.sources if not request.sources or entry.name in request.sources]
    folder = Path(examined.verification.path)
    rebuilt = _rebuild(folder, manifest, entries, request=request, jobs=jobs, advance=advance)
    compared = [_Compared(entry, rebuilt[entry.name], examined.drawn.get(entry.name, [])) for entry in entries]
    made = [one for one in compared if one.rebuilt.entry]
    left = [f"{one.entry.name}: {one.rebuilt.why_not}" for one in compared if not one.rebuilt.entry]
    inputs = {file.path: file.bytes for entry in entries for file in entry.inputs if file.role != TOKENIZER}
    seen = f"{len(inputs)} files, {sum(inputs.values()) / 1e6:,.1f} MB"
    checks = [
        checked(_NAMES[0], dict.fromkeys(line for one in compared for line in one.rebuilt.input_faults), seen=seen),
        _check_builder(manifest, entries, request),
        checked(_NAMES[2], left, seen=f"{len(made)} of {len(entries)} sources", otherwise="not checked"),
    ]
    every_source = len(entries) == len(manifest.sources)
    options = _options(manifest, request)
    again = redrawn.check_redrawn(folder, manifest, options, every_source=every_source, jobs=jobs)
    if not made:
        return [*checks, *(Check(name, "not checked", "no source was rebuilt") for name in _NAMES[3:5]), again]
    rows = sum(one.rebuilt.entry.conversations for one in made if one.rebuilt.entry)
    sampled = sum(len(one.drawn) for one in made)
    return [
        *checks,
        checked(_NAMES[3], _row_faults(made), seen=f"{rows:,} rows by their hashes, and the funnel"),
        checked(
            _NAMES[4],
            (line for one in made for line in sample_faults(one.drawn, one.rebuilt.drawn, request.sample)),
            seen=f"{sampled:,} records, field by field",
        ),
        again,
    ]


def _rebuild(
    folder: Path,
    manifest: Manifest,
    entries: Sequence[SourceEntry],
    *,
    request: RawRequest,
    jobs: Workers,
    advance: Advance,
) -> dict[str, Rebuilt]:
    """Each source built again, the longest first."""
    options = _options(manifest, request)
    rebuilt: dict[str, Rebuilt] = {}
    tasks = []
    for entry in sorted(entries, key=_cost, reverse=True):
        try:
            bound = _bound(manifest, entry, options)
        except RecipeError as error:
            rebuilt[entry.name] = Rebuilt([], entry=None, drawn=[], why_not=str(error))
            continue
        work = partial(
            rebuild_source, RebuildRequest(folder, entry=entry, bound=bound, options=options, sample=request.sample)
        )
        tasks.append(Task(entry.name, work, request.raw))
    whole = max(sum(_cost(entry)[1] for entry in entries), 1)

    def heard(num_bytes: int, records: int) -> None:  # noqa: ARG001, see `tasks.Report`
        advance(num_bytes / whole)

    return rebuilt | gather(tasks, jobs=jobs, preload=PRELOAD, report=heard)


def _cost(entry: SourceEntry) -> tuple[bool, int]:
    """Whether a source is tokenised, and the bytes that are read for it."""
    sizes = [file.bytes for file in entry.inputs if file.role != TOKENIZER]
    return len(sizes) < len(entry.inputs), sum(sizes)


def _options(manifest: Manifest, request: RawRequest) -> Options:
    """The options of the build, as far as they change what is built, with what lies elsewhere now."""
    asked = manifest.overrides
    named = request.raw / asked["draws_from"] if "draws_from" in asked else None
    return Options(
        request.raw,
        request.raw,
        limit=asked.get("limit"),
        fraction=asked.get("fraction"),
        tokenizer=request.tokenizer or asked.get("tokenizer"),
        draws_from=request.draws_from or named,
        on_bad_record=asked.get("on_bad_record", "fail"),
        plugins=request.plugins,
    )


def _bound(manifest: Manifest, entry: SourceEntry, options: Options) -> BoundSource:
    """A source as the manifest's recipe has it.

    Raises:
        RecipeError: when the recipe has it not, or no longer fits, and when a plugin is not given that it was built
            with: the mixture may be anybody's, so that its recipe names a plugin is no reason to run one.
    """
    for used in manifest.plugins:
        if entry.name in used.sources and (why := missing_plugin(used)):
            raise RecipeError(why)
    recipe = load_recipe(manifest.recipe, where=f"{MANIFEST}: recipe")
    blocks = [block for block in recipe.sources if block.label == entry.name]
    if not blocks:
        raise RecipeError(f"{MANIFEST}: recipe: no source {entry.name!r}")
    [bound] = bind(overridden(msgspec.structs.replace(recipe, sources=blocks), options), raw=options.raw)
    return bound


def _check_builder(manifest: Manifest, entries: Sequence[SourceEntry], request: RawRequest) -> Check:
    """Whether the code at hand would give every source the same parameters and the same key."""
    options = _options(manifest, request._replace(tokenizer=None))
    lines = Lines()
    outcome: Outcome = "differs"
    plugins = manifest.plugins
    others = [one.name for one in entries if key_by_this_code(one, manifest.overrides, plugins=plugins) != one.key]
    if others:
        here = f"mix665k {version('mix665k')}"
        lines.add(f"other code or libraries built {', '.join(others)} ({manifest.tool}; here {here})")
    for entry in entries:
        try:
            bound = _bound(manifest, entry, options)
        except RecipeError:
            continue  # told as a source that cannot be rebuilt
        steps = [params_of(step) for step in bound.steps]
        now = msgspec.to_builtins({"params": bound.params, "steps": steps})
        for difference in differences({"params": entry.params, "steps": entry.steps}, now):
            lines.add(f"{entry.name}: {difference.in_words()}")
            if ABSENT not in (difference.found, difference.expected) or entry.name not in others:
                outcome = "failed"
    return checked("builder", lines, seen="code, libraries, parameters", otherwise=outcome)


def _row_faults(made: Sequence[_Compared]) -> Iterator[str]:
    """Where shards or funnels are not those of the sources built again."""
    for one in made:
        assert one.rebuilt.entry is not None, one.entry.name
        for difference in differences(_facts(one.entry), _facts(one.rebuilt.entry)):
            yield f"{one.entry.name}: {difference.in_words()}"


def _facts(entry: SourceEntry) -> dict[str, Any]:
    """What the raw files and the recipe decide."""
    facts: dict[str, Any] = {
        shard.path: {"rows": shard.rows, "row hash": shard.row_hash[:16]} for shard in entry.shards
    }
    facts |= {"records": entry.conversations, "pairs": entry.pairs, "not found": entry.not_found}
    facts |= {"splits": ", ".join(entry.splits)}
    return facts | {"funnel": msgspec.to_builtins(entry.funnel)}
