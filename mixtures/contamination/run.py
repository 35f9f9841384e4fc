"""What `mix contamination` does, from its options to its findings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from mix665k.mixtures.contamination.dropping import Drop, reasons, write_clean
from mix665k.mixtures.contamination.equal_images import LINKS, Compared, Folder, compare_image_files, folders
from mix665k.mixtures.contamination.evaluation import EvaluationSet, SetToRead, named, read_set, sets_to_read
from mix665k.mixtures.contamination.findings import UNITS, Contamination, Kind
from mix665k.mixtures.contamination.overlap import find, rows_of, wanted
from mix665k.mixtures.contamination.splits import DECLARED, held_out, read_splits
from mix665k.mixtures.contamination.summary import all_hits, summarise, touched
from mix665k.mixtures.image_keys import SHARED_IMAGES, Aliases
from mix665k.mixtures.images.naming import named_images
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.parallel import Workers
from mix665k.mixtures.select.derived import require_room
from mix665k.mixtures.storage.prompt_kinds import SOURCES, known_prompts
from mix665k.mixtures.terminal import Bar
from mix665k.schemas.errors import MixtureError, RawDataError
from mix665k.schemas.files import os_errors, regular_file, sha256_of, write_whole
from mix665k.schemas.manifest import CONTAMINATION, Manifest


class ContaminationRequest(NamedTuple):
    """What to compare a mixture with, and what to write.

    `eval_sets`, `layouts`, `ids_of` and `eval_images` are as on the command line, `[NAME=]VALUE`. `raw` may hold
    files that declare splits, and the table of images that two collections have, which `image_data` names elsewhere.
    """

    eval_sets: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    ids_of: tuple[str, ...] = ()
    raw: Path | None = None
    image_data: Path | None = None
    images: Path | None = None
    eval_images: tuple[str, ...] = ()
    list_file: Path | None = None
    drop_to: Path | None = None
    drop_by: tuple[Kind, ...] = (Kind.PAIRS,)
    jobs: Workers = 1


class _Sets(NamedTuple):
    """What to compare with: evaluation sets and equal images, splits, and one key for images of two collections."""

    compared: Compared
    splits: pl.DataFrame
    aliases: Aliases


def find_contamination(target: Path, request: ContaminationRequest, *, bar: Bar) -> Contamination:
    """Compare a mixture's folder, or a JSON file in LLaVA's own form, with evaluation sets.

    Raises:
        RawDataError: for an evaluation or raw file that is missing, damaged or of no known layout.
        MixtureError: for a mixture that is damaged, and for what cannot be written as asked.
    """
    mixture = Mixture.open(target)
    manifest = mixture.manifest
    _require_room(target, manifest, request)
    sets = _sets(target, request, bar)
    compared, splits, aliases = sets
    keys = pl.concat([splits.filter(~pl.col("trained"))["key"], compared.links["same"]])
    what = wanted(compared.sets, aliases, keys=keys, paths=compared.links["path"])
    with bar("comparing") as advance:
        hits = find(
            rows_of(mixture, advance=advance),
            what=what,
            aliases=aliases,
            prompts=known_prompts([manifest] if manifest else []),
        )
    found = touched(compared.sets, what=what, hits=hits, links=compared.links)
    names = mixture.sources if manifest else SOURCES
    result = Contamination(
        path=str(target),
        name=mixture.name,
        row_hash=manifest.row_hash if manifest else None,
        records=hits.num_records,
        image_data=str(aliases.path) if aliases.path else None,
        sets=[summarise(one, what, names) for one in found],
        splits=held_out(splits, what, hits),
        pictures=compared.pictures,
    )
    if request.list_file:
        lines = (msgspec.json.encode(hit) + b"\n" for one in found for hit in all_hits(one, what))
        write_whole(request.list_file, b"".join(lines))
    if manifest and request.drop_to:
        drop = Drop(request.drop_to, request.drop_by, _about(sets))
        with bar("writing") as advance:
            why = reasons(found, request.drop_by)
            result.dropped = write_clean(mixture, why, drop, advance=advance)
    return result


def require_clean(found: Contamination, fail_on: Sequence[Kind]) -> None:
    """Nothing of these kinds is shared with any evaluation set.

    Raises:
        MixtureError: with the first set that shares something.
    """
    for one in found.sets:
        for kind in fail_on:
            if count := one.total.of(kind):
                raise MixtureError(
                    f"{found.path}: shares {count:,} {UNITS[kind]} with {one.name}, expected none (--fail-on {kind})"
                )


def _require_room(target: Path, manifest: Manifest | None, request: ContaminationRequest) -> None:
    """What is to be written can be, and over nothing that is read."""
    if request.drop_to is not None:
        if manifest is None:
            raise MixtureError(f"--drop-to: {target} is no mixture's folder; build it from source `llava_json` first")
        if not request.eval_sets and not request.eval_images:
            raise MixtureError("--drop-to: no evaluation set to drop by; pass --eval-set or --eval-images")
        require_room(target, manifest, request.drop_to, step=CONTAMINATION, option="--drop-to")
    if path := request.list_file:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise MixtureError(f"--write-list {path}: expected a file in a folder that is there")
        read = [target, *(Path(named(text)[1]) for text in request.eval_sets)]
        if path.exists() and any(other.exists() and path.samefile(other) for other in read):
            raise MixtureError(f"--write-list {path}: would overwrite what it is about; name another")


def _sets(target: Path, request: ContaminationRequest, bar: Bar) -> _Sets:
    if request.raw is not None and not request.raw.is_dir():
        raise RawDataError(f"--raw {request.raw}: no such folder; `mix sources` lists what belongs there")
    asked = sets_to_read(request.eval_sets, request.layouts, request.ids_of)
    pictured = folders(request.eval_images, request.images)
    splits = read_splits(request.raw)
    if not asked and not pictured and splits.is_empty():
        titles = ", ".join(splits.title for splits, _, _ in DECLARED)
        raise MixtureError(f"--raw {request.raw}: no splits of {titles} below it; pass evaluation sets with --eval-set")
    aliases = Aliases(_image_data(request))
    sets = [_read(one, bar) for one in asked]
    if not pictured or request.images is None:
        return _Sets(Compared(pl.DataFrame(schema=LINKS), sets, None), splits, aliases)
    with bar("reading the mixture") as advance:
        names = named_images(target, (), advance=advance).records["image"].unique().sort().to_list()
    mine = Folder("the mixture", request.images, names)
    compared = compare_image_files(sets, folders=pictured, mine=mine, aliases=aliases, jobs=request.jobs, bar=bar)
    return _Sets(compared, splits, aliases)


def _read(asked: SetToRead, bar: Bar) -> EvaluationSet:
    with os_errors(RawDataError, asked.path):
        if not asked.path.exists() or regular_file(asked.path).is_dir():
            raise RawDataError(
                f"--eval-set {asked.path}: {'a folder, expected a file' if asked.path.is_dir() else 'no such file'}"
            )
        size = max(asked.path.stat().st_size, 1)
    with bar(f"reading {asked.name}") as advance:
        return read_set(asked, progress=lambda num_bytes: advance(num_bytes / size))


def _image_data(request: ContaminationRequest) -> Path | None:
    """The table of images that two collections have, where it is given or below the raw folder."""
    if request.image_data is not None:
        return request.image_data
    path = request.raw / SHARED_IMAGES.file.path if request.raw else None
    return path if path and path.is_file() else None


def _about(sets: _Sets) -> dict[str, Any]:
    """What a clean mixture's manifest tells of what it was compared with."""
    compared, _, aliases = sets
    against: list[dict[str, Any]] = []
    for one in compared.sets:
        images = {"images_sha256": one.files_sha256} if one.files_sha256 else {}
        against.append({"name": one.name, "file": one.path.name, "sha256": one.sha256, **images})
    if aliases.path is None:
        return {"against": against}
    return {"against": against, "image_data": sha256_of(aliases.path)}
