"""What a reader should know that a mixture is not: in part, changed by options, or short of what was expected."""

from collections.abc import Iterator
from typing import Any

from mix665k.mixtures.card.front_matter import about_of, with_rows
from mix665k.schemas.manifest import CONTAMINATION, HELD_OUT, Manifest

_LEFT_OUT = {"exclude_source": "--exclude-source", "commercial_only": "--commercial-only"}


def partial(manifest: Manifest) -> list[str]:
    """Why the mixture is not the whole of its recipe, a sentence each."""
    options = manifest.overrides
    found = []
    if limit := options.get("limit"):
        found.append(f"Only the first {limit:,} conversations of each source entered its steps (`--limit`).")
    if fraction := options.get("fraction"):
        found.append(f"Of each source only a part of {fraction:g} was drawn (`--fraction`).")
    if only := options.get("source"):
        found.append(f"Of the recipe's sources only {_names(only)} were built (`--source`).")
    for key, option in _LEFT_OUT.items():
        if names := options.get(key):
            found.append(f"Left out of the recipe's sources: {_names(names)} (`{option}`).")
    if held := manifest.held_out:
        found.append(
            f"{held.drawn:,} of {held.of:,} images (or texts without one) are held out with their {held.records:,} "
            f"records, row hash `{held.row_hash[:16]}`: no image of them is in here."
        )
    elif any(step.step == HELD_OUT for entry in manifest.sources for step in entry.funnel):
        found.append("This is what the recipe holds out, for validation: it trains on none of these images.")
    if drawn := manifest.balanced:
        found.append(
            f"Of a larger mixture (row hash `{drawn.made_from[:16]}`) a part was drawn, balanced by {drawn.unit}: "
            f"{', '.join(f'{one.name} {one.taken:,} of {one.of:,}' for one in drawn.sources)}."
        )
    for one in manifest.selections:
        found.append(
            f"Of a larger mixture (row hash `{one.made_from[:16]}`) only the {one.selected:,} records were kept that "
            f"`{one.file}` (sha256 `{one.sha256[:16]}`) selects, matched {one.method}."
        )
    return found


def limits(manifest: Manifest, *, with_images: bool) -> list[str]:
    """Known limits, a sentence each."""
    found = [*partial(manifest), *_changed(manifest.overrides), *_missed(manifest)]
    unclear = [entry.name for entry in with_rows(manifest) if about_of(entry).licence.commercial != "yes"]
    if unclear:
        found.append(f"Commercial use is not clearly allowed for the texts of {_names(unclear)}.")
    if with_images:
        found.append("The images are the files as they were at hand; each keeps the licence of its source.")
    else:
        found.append("The images are not here: `image` is a path below a folder of images that you bring.")
    found.append("Answers are the publishers', with their mistakes; what was changed is in `steps` of a record.")
    return found


def _changed(options: dict[str, Any]) -> Iterator[str]:
    """Options of the build that changed what its recipe says."""
    told = {
        "tokenizer": "Lengths were counted with the tokenizer {}, not the recipe's.",
        "draws_from": "What the recipe draws was taken from the ids of {} instead.",
        "on_missing_image": "Records whose image was missing were dropped.",
        "on_bad_record": "Raw records with faults were dropped.",
    }
    for key, value in options.items():
        if key in told:
            yield told[key].format(f"`{value}`")
        elif key == CONTAMINATION:
            names = [one["name"] for run in value for one in run["against"]]
            yield f"Records that overlap with evaluation sets were dropped: {_names(list(dict.fromkeys(names)))}."
        elif key == "set":
            yield f"Values of the recipe were replaced: {_names(value)}."
        elif key not in {"limit", "fraction", "source", *_LEFT_OUT}:
            yield f"Built with `{key}`: `{value}`."


def _missed(manifest: Manifest) -> Iterator[str]:
    """Numbers that are not the expected ones."""
    if empty := [entry.name for entry in manifest.sources if not entry.conversations]:
        yield f"No record is left of {_names(empty)}."
    for entry in manifest.sources:
        if entry.expect and entry.expect.count != entry.conversations:
            have, want = f"{entry.conversations:,}", f"{entry.expect.count:,}"
            yield f"`{entry.name}` has {have} records, the recipe expects {want} ({entry.expect.because})."
        if entry.not_found:
            yield f"`{entry.name}`: {len(entry.not_found):,} ids that were asked for are not in its raw files."


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
