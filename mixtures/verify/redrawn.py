"""What a recipe does with all its sources together, done again: which records it selects, draws and holds out."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build, parts_of
from mix665k.mixtures.engine.tasks import Unwatched
from mix665k.mixtures.parallel import Workers
from mix665k.mixtures.storage.integrity import unequal
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.mixtures.verify.verification import Check, checked
from mix665k.schemas.errors import UserError
from mix665k.schemas.manifest import (
    BALANCE,
    DERIVING,
    HELD_OUT,
    MANIFEST,
    NEAR_DUPLICATES,
    SELECTION,
    Manifest,
    load_manifest,
)
from mix665k.schemas.shards import open_shard

NAME = "draws repeated"
_STEPS = {"select": SELECTION, "deduplicate": NEAR_DUPLICATES, "balance": BALANCE, "hold_out": HELD_OUT}


def check_redrawn(folder: Path, manifest: Manifest, options: Options, *, every_source: bool, jobs: Workers) -> Check:
    """Build a recipe that draws from all its sources again, in a temporary folder, and compare what is left.

    `options` are those of the mixture's build. Of a mixture that a later command took records out of, those that
    remain must be among what the recipe gives.
    """
    try:
        recipe = load_recipe(manifest.recipe, where=f"{MANIFEST}: recipe")
        if not (parts := parts_of(recipe)):
            return Check(NAME, "not applicable", "the recipe draws from no more than one source at a time")
        if not every_source:
            return Check(NAME, "not applicable", "needs every source; leave --source out")
        if "on_missing_image" in manifest.overrides:
            return Check(NAME, "not checked", "records without an image were dropped; only the pictures show which")
        in_part = manifest.overrides.keys() & {"source", "exclude_source", "commercial_only"}
        labels = tuple(entry.name for entry in manifest.sources) if in_part else ()
        with tempfile.TemporaryDirectory(prefix="mix-verify-") as work:
            plan = make_plan(recipe, options._replace(out=Path(work) / "mixture", sources=labels))
            again = plan.options.out
            found, _ = build(plan, jobs=jobs, overwrite=False, listener=Unwatched())
            if recipe.hold_out and manifest.held_out is None:  # it is what another mixture holds out
                again /= HELD_OUT
                found = load_manifest(again)
            done = {step.step for entry in manifest.sources for step in entry.funnel} & DERIVING.keys()
            if done - {_STEPS[part] for part in parts}:
                lines = list(_strangers(_ids(folder, manifest), _ids(again, found)))
            else:
                lines = list(_differing(manifest, found))
    except UserError as error:
        return Check(NAME, "not checked", str(error))
    if manifest.held_out and found.held_out:
        lines += unequal(f"{HELD_OUT}: row hash", found.held_out.row_hash, manifest.held_out.row_hash)
    return checked(NAME, lines, seen=f"{', '.join(parts)}: {found.conversations:,} records are left")


def _differing(manifest: Manifest, found: Manifest) -> Iterator[str]:
    """Sources whose records are not those that the recipe gives."""
    for entry, again in zip(manifest.sources, found.sources, strict=True):
        hashes = [[shard.row_hash for shard in one.shards] for one in (entry, again)]
        if hashes[0] != hashes[1]:
            yield f"{entry.name}: {entry.conversations:,} records are others than the {again.conversations:,} expected"


def _strangers(ids: pl.Series, given: pl.Series) -> Iterator[str]:
    """Records that the recipe does not give."""
    for name in ids.filter(~ids.is_in(given.implode())):
        yield f"{name}: is not among what the recipe gives"


def _ids(folder: Path, manifest: Manifest) -> pl.Series:
    names = [pl.Series(dtype=pl.String)]
    for path in (folder / shard.path for entry in manifest.sources for shard in entry.shards):
        with open_shard(path) as shard:
            names += [pl.Series(rows.column("id"), dtype=pl.String) for rows in shard.iter_batches(columns=["id"])]
    return pl.concat(names)
