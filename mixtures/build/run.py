"""Building a mixture: sources first, the manifest last."""

import shutil
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec

from mix665k.builders.bind import BoundSource
from mix665k.mixtures.balance.draw import Inputs, balance
from mix665k.mixtures.balance.near_duplicates import near_duplicates
from mix665k.mixtures.build.hold_out import image_data_of, require_room, write_held_out
from mix665k.mixtures.build.in_pieces import build_in_pieces, is_built_in_pieces
from mix665k.mixtures.build.plan import Options, Plan, is_held, named_by
from mix665k.mixtures.build.source import build_source
from mix665k.mixtures.card.card import CARD, write_card
from mix665k.mixtures.engine.tasks import Done, Listener, Task
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.parallel import Workers, run_tasks
from mix665k.mixtures.select.derived import Leaving, write_derived, write_rest
from mix665k.mixtures.select.report import require_resolved
from mix665k.mixtures.select.run import files_of, find, leaving, with_selection
from mix665k.mixtures.storage.folder import clear_work, locked, shards_in, sweep
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.mixtures.terminal import no_bar, no_progress
from mix665k.schemas.errors import MixtureError, RecipeError
from mix665k.schemas.files import os_errors, write_whole
from mix665k.schemas.manifest import (
    DERIVING,
    FORMAT,
    HELD_OUT,
    MANIFEST,
    NEAR_DUPLICATES,
    STATE,
    Manifest,
    SourceEntry,
    derived_marker,
    load_manifest,
    stamped,
    write_manifest,
)
from mix665k.schemas.recipe import Recipe, Select

_WHOLE = "whole"
"""The folder, among the unfinished work, of all that a recipe's sources give, from which it selects or holds out."""
_PART = "part"
"""What folders among the unfinished work begin with that hold what one part leaves to the next."""


def build(plan: Plan, *, jobs: Workers, overwrite: bool, listener: Listener) -> tuple[Manifest, list[Done]]:
    """Build the mixture of a plan into its folder; gives each source's `Built`, in the order of the recipe.

    Raises:
        UserError: for whatever the user can fix. The folder then holds no manifest; the sources that are complete are
            kept for the next build.
    """
    out = plan.options.out
    _require_importable(plan)
    with os_errors(MixtureError, out):
        _require_room(plan, overwrite=overwrite)
        with locked(out, keep=_kept(plan)):
            _prepare(plan, overwrite=overwrite)
            if parts_of(plan.recipe):
                return _build_parts(plan, jobs=jobs, listener=listener)
            manifest, done = _build_sources(plan, jobs=jobs, listener=listener)
            sweep(out, manifest)
            write_card(out / CARD, manifest)
            write_manifest(out, manifest)
    return manifest, done


def _kept(plan: Plan) -> tuple[str, ...]:
    """The unfinished work that another try resumes."""
    return (_WHOLE,) if parts_of(plan.recipe) else ()


def parts_of(recipe: Recipe) -> list[str]:
    """What a recipe does with all that its sources give, in this order."""
    return [name for name in ("select", "deduplicate", "balance", "hold_out") if getattr(recipe, name)]


def _build_parts(plan: Plan, *, jobs: Workers, listener: Listener) -> tuple[Manifest, list[Done]]:
    """The same for a recipe that selects, draws or holds out: all its sources in a folder inside, then parts of that.

    That folder stays where a part fails, so that another try does not build again.
    """
    out = plan.options.out
    whole = plan._replace(options=plan.options._replace(out=out / STATE / _WHOLE))
    _prepare(whole, overwrite=True)
    manifest, done = _build_sources(whole, jobs=jobs, listener=listener)
    write_manifest(whole.options.out, manifest)
    mixture = Mixture.open(whole.options.out)
    for name in (parts := parts_of(plan.recipe)):
        about, gone = _part(name, plan, mixture, jobs=jobs)
        if name == parts[-1]:
            manifest = write_rest(mixture, gone, out, about=about, advance=no_progress)
        else:
            rest = out / STATE / f"{_PART}-{name}"
            write_derived(mixture, gone, rest, about=about, advance=no_progress)
            mixture = Mixture.open(rest)
    kept = zip(done, manifest.sources, strict=True)
    return manifest, [one._replace(result=one.result._replace(entry=entry)) for one, entry in kept]


def _part(name: str, plan: Plan, mixture: Mixture, *, jobs: Workers) -> tuple[Manifest, Leaving]:
    """The manifest of what one part of a recipe leaves, and the records that it takes away."""
    out, recipe = plan.options.out, plan.recipe
    if name == "select":
        assert recipe.select is not None, recipe.name
        return _selected(plan, recipe.select, mixture)
    if name == "hold_out":
        image_data = image_data_of(plan.sources, plan.options.raw)
        return write_held_out(mixture, recipe, out, image_data=image_data, about=mixture.require_manifest())
    if name == "balance":
        assert recipe.balance is not None, recipe.name
        seed = recipe.seed if recipe.balance.seed is None else recipe.balance.seed
        assert seed is not None, recipe.name
        inputs = Inputs(seed, recipe.tokenizer, plan.options.raw, at_most=plan.in_part)
        return balance(mixture, recipe.balance, inputs)
    assert recipe.deduplicate is not None, recipe.name
    seed = recipe.seed if recipe.deduplicate.seed is None else recipe.deduplicate.seed
    assert seed is not None, recipe.name
    found, gone = near_duplicates(mixture, recipe.deduplicate, seed=seed, images=plan.options.images, jobs=jobs)
    write_whole(out / f"{NEAR_DUPLICATES}.jsonl", msgspec.json.Encoder().encode_lines(found))
    return mixture.require_manifest(), gone


def _selected(plan: Plan, select: Select, mixture: Mixture) -> tuple[Manifest, Leaving]:
    """The manifest of what a recipe selects, and the records that it does not."""
    options = plan.options
    if plan.in_part:
        select = msgspec.structs.replace(select, on_missing="drop")  # not all was built that the file names
    files, select = files_of(select, options.raw)
    found = find(mixture, files, select, bar=no_bar)
    require_resolved(found.report, select)
    return with_selection(mixture.require_manifest(), found), leaving(mixture, found)


def _build_sources(plan: Plan, *, jobs: Workers, listener: Listener) -> tuple[Manifest, list[Done]]:
    """Every source of a plan, the longest first, `jobs` at a time; gives them in the order of the recipe.

    Raises:
        MixtureError: for a source that must have another number of records.
    """
    options, found = plan.options, dict[str, Done]()
    for bound in plan.sources:
        begun = time.perf_counter()
        if is_built_in_pieces(bound, options) and (
            built := build_in_pieces(bound, options, jobs=jobs, listener=listener)
        ):
            one = found[bound.block.label] = Done(bound.block.label, built, time.perf_counter() - begun)
            listener.finished(one)
    by_cost = sorted((one for one in plan.sources if one.block.label not in found), key=cost, reverse=True)
    tasks = [Task(bound.block.label, partial(build_source, bound, options), options.out) for bound in by_cost]
    found |= run_tasks(tasks, jobs=jobs, preload=build_source.__module__, listener=listener)
    done = [found[bound.block.label] for bound in plan.sources]
    for one in done:
        _require_count(one.result.entry, options)
    return stamped(_manifest(plan, [one.result.entry for one in done])), done


def cost(bound: BoundSource) -> tuple[bool, int]:
    """What predicts how long a source takes: whether it is tokenised, then the bytes of its files."""
    num_bytes = sum(path.stat().st_size for path in {part for parts in bound.files.values() for part in parts})
    return bool(named_by(bound.steps, "tokenizer")), num_bytes


def _require_importable(plan: Plan) -> None:
    """Refuse sources and steps that another process cannot import."""
    for bound in plan.sources:
        functions = [bound.source.function, *(step.step.function for step in bound.steps)]
        for function in functions:
            if function.__module__ == "__main__":
                raise RecipeError(
                    f"{bound.block.label}: {function.__name__} is defined in the script that was started, and is built "
                    "in another process; move it into a module and import that"
                )


def _require_room(plan: Plan, *, overwrite: bool) -> None:
    """Refuse a folder that holds something else; what may be overwritten is a mixture, and nothing that is not ours."""
    out = plan.options.out
    if not out.exists() or not any(out.iterdir()):
        return
    if plan.recipe.hold_out:
        require_room(out)
    marker = out / STATE / "recipe"
    if overwrite:
        _require_nothing_foreign(out)
        return
    if not marker.is_file():
        raise MixtureError(f"{out}: not empty and no mixture; name another --out, or pass --overwrite to build into it")
    if (held := marker.read_text()) != plan.recipe.name:
        raise MixtureError(f"{out}: holds a mixture of recipe {held!r}; name another --out or pass --overwrite")
    if (out / MANIFEST).is_file():
        labels = {bound.block.label for bound in plan.sources}
        lost = [entry.name for entry in load_manifest(out).sources if entry.name not in labels]
        if lost:
            raise MixtureError(
                f"{out}: holds {', '.join(lost)}, which this build leaves out; name another --out or pass --overwrite"
            )


def _require_nothing_foreign(out: Path) -> None:
    """Refuse a folder that has files where a build writes its own, and that no build has written."""
    derived = any(derived_marker(out, step).is_file() for step in DERIVING)
    if derived or (out / STATE / "recipe").is_file():
        return
    if (out / MANIFEST).is_file():
        load_manifest(out)
        return
    state = [path for path in (out / STATE).glob("*") if path.name != "lock"]
    found = [*state, *(path for path in (out / CARD, *(out / "data").glob("*.parquet")) if path.exists())]
    if found:
        raise MixtureError(
            f"{out}: holds {found[0].relative_to(out)}, which is in the way and not of a mixture; "
            "--overwrite replaces mixtures only, name another --out"
        )


def _prepare(plan: Plan, *, overwrite: bool) -> None:
    """Take away what would look finished, and what an interrupted build left."""
    out = plan.options.out
    (out / STATE).mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    (out / f"{NEAR_DUPLICATES}.jsonl").unlink(missing_ok=True)
    for step in DERIVING:
        derived_marker(out, step).unlink(missing_ok=True)
    if derived_marker(out / HELD_OUT, HELD_OUT).is_file():
        shutil.rmtree(out / HELD_OUT)  # of an earlier build; it is written again before this one's manifest
    marker = out / STATE / "recipe"
    if overwrite and not (marker.is_file() and marker.read_text() == plan.recipe.name):
        for path in shards_in(out):
            path.unlink()
        for path in (out / STATE).glob("*.json"):
            path.unlink()
    clear_work(out, keep=_kept(plan))
    (out / "data").mkdir(exist_ok=True)
    write_whole(marker, plan.recipe.name)


def _require_count(entry: SourceEntry, options: Options) -> None:
    """Hold a strict expectation, unless this build was asked for something else."""
    expect = entry.expect
    if expect is None or not is_held(entry, options.overrides()) or entry.conversations == expect.count:
        return
    raise MixtureError(
        f"{entry.name}: built {entry.conversations:,} conversations, the recipe expects {expect.count:,} "
        f"({expect.because}); check the raw files with `mix sources {entry.source} --raw {options.raw}`"
    )


def _manifest(plan: Plan, entries: list[SourceEntry]) -> Manifest:
    return Manifest(
        format=FORMAT,
        tool=f"mix665k {version('mix665k')}",
        name=plan.recipe.name,
        recipe=plan.text,
        overrides=plan.overrides(),
        integer_ids=plan.recipe.integer_ids,
        conversations=sum(entry.conversations for entry in entries),
        pairs=sum(entry.pairs for entry in entries),
        row_hash=hash_of_all(entries),
        sources=entries,
        extends=list(plan.extends),
        plugins=plan.plugins(),
    )
