"""Holding images out of a mixture: its records are written as two mixtures that have no image in common.

Whether an image is held out depends on its own rank only, with `fraction`: so recipes that differ in sources, prompts
or order hold out the same images, and losses on what they have in common can be compared.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl
import pyarrow as pa

from mix665k.builders.bind import BoundSource
from mix665k.builders.draw import Draw
from mix665k.mixtures.image_keys import SHARED_IMAGES, Aliases, image_key
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.derived import Leaving, write_derived
from mix665k.mixtures.terminal import no_progress
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import HELD_OUT, STATE, HeldOut, Manifest, derived_marker
from mix665k.schemas.recipe import HoldOut, Recipe

_TRAINED_ON = "trained on"
_HELD_OUT = "image held out"
_RANKS = 2**64
KEYED = ("id", "image", "more_images")


class Split(NamedTuple):
    """Which records of a mixture are held out, and of how many images they are."""

    is_held: pl.Series
    drawn: int
    of: int

    def leaving(self, *, held: bool) -> Leaving:
        """The records that are held out, or all others, as those that go."""
        gone = (self.is_held if held else ~self.is_held).arg_true().cast(pl.Int64).to_frame("record")
        return Leaving(gone.with_columns(reason=pl.lit(_HELD_OUT if held else _TRAINED_ON)), HELD_OUT, "chosen")


def require_room(out: Path) -> None:
    """What is held out can be written into its folder: there is none, or one of an earlier build.

    Raises:
        MixtureError: when something else is there.
    """
    folder = out / HELD_OUT
    if not folder.exists() or (folder.is_dir() and derived_marker(folder, HELD_OUT).is_file()):
        return
    if not folder.is_dir() or any(path.name != STATE for path in folder.iterdir()):
        raise MixtureError(f"{folder}: in the way of what the recipe holds out, expected no such folder; move it away")


def write_held_out(
    mixture: Mixture, recipe: Recipe, out: Path, *, image_data: Sequence[Path], about: Manifest
) -> tuple[Manifest, Leaving]:
    """Write what a recipe holds out; gives the manifest of the rest, still to be written, and the records that go.

    Raises:
        MixtureError: when nothing or everything would be held out, or the folder cannot be written.
    """
    asked = recipe.hold_out
    assert asked is not None, recipe.name
    seed = recipe.seed if asked.seed is None else asked.seed
    assert seed is not None, recipe.name
    found = split(mixture, asked, seed=seed, image_data=image_data)
    for part, count in (("held out", found.drawn), ("trained on", found.of - found.drawn)):
        if not count:
            raise MixtureError(f"hold_out: none of {found.of:,} images is {part}; choose another fraction or count")
    written = write_derived(mixture, found.leaving(held=False), out / HELD_OUT, about=about, advance=no_progress)
    held = HeldOut(
        row_hash=written.row_hash,
        seed=seed,
        drawn=found.drawn,
        of=found.of,
        records=written.conversations,
        image_data=sha256_of(image_data[0]) if len(image_data) == 1 else None,
    )
    return msgspec.structs.replace(about, held_out=held), found.leaving(held=True)


def split(mixture: Mixture, asked: HoldOut, *, seed: int, image_data: Sequence[Path]) -> Split:
    """Which records of a mixture are held out.

    An image that two collections have, such as COCO and Visual Genome, is one where `image_data`, the raw file that
    says so, is given.
    """
    keys = keys_of((batch.rows for batch in mixture.batches()), Aliases(*image_data or (None,)))
    draw = Draw(seed, purpose=HELD_OUT)
    ranks = {key: draw.rank(key) for key in keys.unique()}
    if asked.fraction is not None:
        held = [key for key, rank in ranks.items() if rank < asked.fraction * _RANKS]
    else:
        held = sorted(ranks, key=lambda key: (ranks[key], key))[: asked.count]
    return Split(keys.is_in(held), drawn=len(held), of=len(ranks))


def keys_of(batches: Iterable[pa.RecordBatch], aliases: Aliases) -> pl.Series:
    """One key for each row: that of its image, or its own id, which all parts of a raw record share.

    Rows of several images have one key with all rows that show any of them. No other columns than `KEYED` are needed.
    """
    text = pl.format("text/{}", pl.col("id").str.replace(r"#\d+$", ""))
    key = pl.coalesce(image_key(pl.col("image"), None), text)
    found = [pl.Series(dtype=pl.String)]
    together: list[tuple[str, str]] = []
    for batch in batches:
        rows = pl.DataFrame({name: pl.Series(batch.column(name), dtype=pl.String) for name in ("id", "image")})
        keys = aliases(rows.select(key.alias("key")).to_series())
        found.append(keys)
        if "more_images" in batch.schema.names:  # since manifest format 3
            more = pl.Series(batch.column("more_images"), dtype=pl.List(pl.String))
            shown = pl.DataFrame({"key": keys, "image": more}).drop_nulls("image").explode("image")
            others = aliases(shown.select(image_key(pl.col("image"), None).alias("key")).to_series())
            together += zip(shown["key"], others, strict=True)
    return pl.concat(found).replace(_grouped(together)) if together else pl.concat(found)


def _grouped(together: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each key of these pairs the one of its group: keys that any chain of pairs connects are one group."""
    group_of: dict[str, str] = {}

    def find(key: str) -> str:
        while (other := group_of.setdefault(key, key)) != key:
            group_of[key] = key = group_of[other]
        return key

    for a, b in together:
        first, second = sorted((find(a), find(b)))
        group_of[second] = first
    return {key: find(key) for key in list(group_of)}


def image_data_of(sources: Sequence[BoundSource], raw: Path) -> list[Path]:
    """The raw file, perhaps in parts, that says which images two collections have in common; empty without it.

    It is read where it has its published name even if no source reads it, so that a recipe without that source holds
    out the same images.
    """
    role = SHARED_IMAGES.file.role
    own = next((one.files[role] for one in sources if one.source.about.same_images and role in one.files), None)
    published = raw / SHARED_IMAGES.file.path
    return list(own) if own else [published] if published.is_file() else []
