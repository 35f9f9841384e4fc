"""Checking the images of a mixture, and mending what can be mended where that is asked."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mix665k.mixtures.images.decoding import check_files, wanted_format
from mix665k.mixtures.images.findings import MIN_SIDE_PX, Case, ImageFile, ImagesReport, Mend, Mended, Verdict, to_json
from mix665k.mixtures.images.fixing import FixTask, fix_all, locked, rename_folders
from mix665k.mixtures.images.mapping import Mapping, load_mapping
from mix665k.mixtures.images.naming import named_images
from mix665k.mixtures.images.similar_names import SimilarNames, difference
from mix665k.mixtures.images.summary import summarise
from mix665k.mixtures.parallel import Workers, map_in_processes
from mix665k.mixtures.terminal import Advance, Bar
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import write_whole
from mix665k.schemas.image_names import name_fault
from mix665k.schemas.images.folder import ImagesFolder
from mix665k.schemas.images.places import require_place

PRELOAD = "mix665k.mixtures.images.fixing"
_SOUND = Verdict()


class ImagesRequest(NamedTuple):
    """Where the images lie, which sources to look at (or all), and what to do.

    `bad_list` is a file to write the bad images to, `jobs` who does it.
    """

    folder: Path
    sources: tuple[str, ...] = ()
    mapping: Path | None = None
    fix: bool = False
    min_side_px: int = MIN_SIDE_PX
    bad_list: Path | None = None
    jobs: Workers = 1


def examine(images: Sequence[str], mapping: Mapping, request: ImagesRequest, *, bar: Bar) -> dict[str, Case]:
    """A case for each image that is not simply sound, in their order."""
    looks = _look([ImageFile(image, image) for image in images], request, bar("decoding"))
    cases = {
        image: Case(verdict, image, _conversion(image) if verdict.finding == "wrong format" else None)
        for image, verdict in zip(images, looks, strict=True)
        if verdict != _SOUND
    }
    lost = [image for image, case in cases.items() if case.verdict.finding == "missing"]
    cases |= _mapped([image for image in lost if image in mapping], mapping=mapping, request=request, bar=bar)
    cases |= _moved([image for image in lost if image not in mapping and not name_fault(image)], request, bar)
    return cases


def _look(places: list[ImageFile], request: ImagesRequest, bar: AbstractContextManager[Advance]) -> list[Verdict]:
    if not places:
        return []
    work = partial(check_files, folder=request.folder, min_side_px=request.min_side_px)
    with bar as advance:
        return map_in_processes(work, places, jobs=request.jobs, preload=PRELOAD, advance=advance)


def _mapped(images: list[str], *, mapping: Mapping, request: ImagesRequest, bar: Bar) -> dict[str, Case]:
    """Missing images of the mapping; its file is used whatever its format."""
    cases = {image: Case(Verdict("missing"), image, known_missing=True) for image in images}
    files = {image: file for image in images if (file := mapping[image])}
    looks = _look([ImageFile(*names) for names in files.items()], request, bar("decoding mapped files"))
    for (image, file), verdict in zip(files.items(), looks, strict=True):
        if verdict.finding is None:
            cases[image] = Case(verdict, file, None if name_fault(image) else "copy")
        elif verdict.finding == "wrong format":
            cases[image] = Case(Verdict(), file, _conversion(image))
        else:
            cases[image] = Case(_with_place(verdict, f"mapped to {file}"), file)
    return cases


def _moved(images: list[str], request: ImagesRequest, bar: Bar) -> dict[str, Case]:
    """Missing images of which one file has a similar name."""
    places = SimilarNames(request.folder)
    cases: dict[str, Case] = {}
    files: dict[str, str] = {}
    for image in images:
        similar = places.similar(image)
        if len(similar) == 1:
            files[image] = similar[0]
        elif similar:
            cases[image] = Case(Verdict("missing", f"{' or '.join(similar)}?"), image)
        elif lost := places.lost_folder(image):
            cases[image] = Case(Verdict("missing", f"no folder {lost}"), image)
    looks = _look([ImageFile(*names) for names in files.items()], request, bar("decoding similar names"))
    for (image, file), verdict in zip(files.items(), looks, strict=True):
        cases[image] = _case_of_moved(image, file, verdict)
    return cases


def _case_of_moved(image: str, file: str, verdict: Verdict) -> Case:
    path = PurePosixPath(file)
    where = f"there as {path.name if path.parent == PurePosixPath(image).parent else file}"
    if verdict.finding not in (None, "wrong format"):
        return Case(_with_place(verdict, where), file)
    if verdict.finding is None:
        return Case(Verdict(difference(image, file), where), file, "rename")
    return Case(Verdict(difference(image, file), where), file, _conversion(image))


def _with_place(verdict: Verdict, where: str) -> Verdict:
    return verdict._replace(detail=f"{where}: {verdict.detail}" if verdict.detail else where)


def _conversion(image: str) -> Mend | None:
    """Conversion writes JPEG only, and below the images folder only."""
    return "convert" if wanted_format(image) == "JPEG" and not name_fault(image) else None


def check_images(target: Path, request: ImagesRequest, *, bar: Bar) -> ImagesReport:
    """Look at every image that a mixture's folder, or a JSON file in LLaVA's own form, names.

    Raises:
        MixtureError: for a mixture that is damaged, a source or images folder that is not there, or a list of the bad
            images that cannot be written.
        RawDataError: for a file that is not in LLaVA's form, or a mapping that is none.
    """
    there = require_place(request.folder, kind=MixtureError)
    if request.fix and not isinstance(there, ImagesFolder):
        raise MixtureError(
            f"--images {request.folder}: shards, in which --fix changes nothing; unpack them, or leave it out"
        )
    _require_room(target, request)
    mapping = load_mapping(request.mapping) if request.mapping else {}
    with bar("reading") as advance:
        named = named_images(target, request.sources, advance=advance)
    images = named.records["image"].unique().sort().to_list()
    cases = examine(images, mapping, request, bar=bar)
    mended = _fix(images, cases=cases, request=request, bar=bar) if request.fix else []
    report = summarise(named, cases)
    report.path, report.folder, report.mended = str(target), str(request.folder), mended
    report.mapping_unused = len(mapping.keys() - set(images))
    if request.bad_list is not None:
        write_whole(request.bad_list, to_json(report.bad) + "\n")
    return report


def require_sound(report: ImagesReport) -> None:
    """Every image can be used, or is known to be missing.

    Raises:
        MixtureError: with the number of those that cannot, and the first.
    """
    if not report.bad:
        return
    first = report.bad[0]
    detail = f" ({first.detail})" if first.detail else ""
    raise MixtureError(
        f"--images {report.folder}: {len(report.bad):,} of {report.total.named.images:,} images cannot be used as they "
        f"are, expected none; the first is {first.image!r}: {first.finding}{detail}; {_advice(report)}"
    )


def _advice(report: ImagesReport) -> str:
    """How to mend what is bad."""
    failed = [one for one in report.mended if one.failed is not None]
    mendable = sum(one.mend is not None for one in report.bad)
    if failed:
        return f"--fix could not fix {len(failed):,}: {failed[0].failed}"
    if mendable:
        return f"pass --fix, which fixes {mendable:,}" + (", and get the others again" * (len(report.bad) > mendable))
    if report.total.findings.keys() == {"missing"} and report.total.named == report.total.bad:
        return "is it the folder that holds coco, gqa and the others?"
    return "get them again"


def _require_room(target: Path, request: ImagesRequest) -> None:
    """The list of bad images can be written, and over nothing that is read."""
    path = request.bad_list
    if path is None:
        return
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise MixtureError(f"--write-list {path}: expected a file in a folder that is there")
    read = [one.resolve() for one in (target, request.mapping) if one is not None]
    if any(one == path.resolve() or one in path.resolve().parents for one in read):
        raise MixtureError(f"--write-list {path}: would overwrite what it is about; name another")


def _fix(images: list[str], *, cases: dict[str, Case], request: ImagesRequest, bar: Bar) -> list[Mended]:
    """Mend what can be mended; the cases then tell what is left."""
    wanted = [FixTask(image, case.file, case.mend) for image, case in cases.items() if case.mend]
    if not wanted:
        return []
    work = partial(fix_all, folder=request.folder, min_side_px=request.min_side_px)
    with locked(request.folder), bar("mending") as advance:
        tasks = rename_folders(wanted, folder=request.folder, named=set(images))
        outcomes = map_in_processes(work, tasks, jobs=request.jobs, preload=PRELOAD, advance=advance)
    mended = []
    for (image, file, _), task, (failed, verdict) in zip(wanted, tasks, outcomes, strict=True):
        mended.append(Mended(image=image, file=file, mend=task.mend, failed=failed))
        if failed is None:
            cases[image] = Case(verdict, image)
    return mended
