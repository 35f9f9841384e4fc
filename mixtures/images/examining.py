"""Looking at all images, and for those that are not there, where else they may be."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mix665k.mixtures.images.findings import MIN_SIDE_PX, Mend, Place, Verdict
from mix665k.mixtures.images.mapping import Mapping
from mix665k.mixtures.images.pictures import look_all, wanted_format
from mix665k.mixtures.images.places import Places, difference, is_inside
from mix665k.mixtures.images.pool import in_processes
from mix665k.mixtures.progress import Advance, Bar

PRELOAD = "mix665k.mixtures.images.mending"
_SOUND = Verdict()


class Request(NamedTuple):
    """Where the images lie, which sources to look at (or all), and what to do.

    `bad_list` is a file to write the bad images to, `jobs` the number of processes.
    """

    folder: Path
    sources: tuple[str, ...] = ()
    mapping: Path | None = None
    fix: bool = False
    min_side_px: int = MIN_SIDE_PX
    bad_list: Path | None = None
    jobs: int = 1


class Case(NamedTuple):
    """What was found of an image, in which file, and what would mend it.

    A sound file elsewhere is one that the mapping names. `known_missing` says that the mapping expects none.
    """

    verdict: Verdict
    file: str
    mend: Mend | None = None
    known_missing: bool = False


def examine(images: Sequence[str], mapping: Mapping, request: Request, *, bar: Bar) -> dict[str, Case]:
    """A case for each image that is not simply sound, in their order."""
    looks = _look([Place(image, image) for image in images], request, bar("decoding"))
    cases = {
        image: Case(verdict, image, _conversion(image) if verdict.finding == "wrong format" else None)
        for image, verdict in zip(images, looks, strict=True)
        if verdict != _SOUND
    }
    lost = [image for image, case in cases.items() if case.verdict.finding == "missing"]
    cases |= _mapped([image for image in lost if image in mapping], mapping, request, bar)
    cases |= _moved([image for image in lost if image not in mapping], request, bar)
    return cases


def _look(places: list[Place], request: Request, bar: AbstractContextManager[Advance]) -> list[Verdict]:
    if not places:
        return []
    work = partial(look_all, folder=request.folder, min_side_px=request.min_side_px)
    with bar as advance:
        return in_processes(work, places, jobs=request.jobs, preload=PRELOAD, advance=advance)


def _mapped(images: list[str], mapping: Mapping, request: Request, bar: Bar) -> dict[str, Case]:
    """Missing images of the mapping; its file is used whatever its format."""
    cases = {image: Case(Verdict("missing"), image, known_missing=True) for image in images}
    files = {image: file for image in images if (file := mapping[image])}
    looks = _look([Place(*names) for names in files.items()], request, bar("decoding mapped files"))
    for (image, file), verdict in zip(files.items(), looks, strict=True):
        if verdict.finding is None:
            cases[image] = Case(verdict, file, "copy" if is_inside(image) else None)
        elif verdict.finding == "wrong format":
            cases[image] = Case(Verdict(), file, _conversion(image))
        else:
            cases[image] = Case(_told(verdict, f"mapped to {file}"), file)
    return cases


def _moved(images: list[str], request: Request, bar: Bar) -> dict[str, Case]:
    """Missing images of which one file has a similar name."""
    places = Places(request.folder)
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
    looks = _look([Place(*names) for names in files.items()], request, bar("decoding similar names"))
    for (image, file), verdict in zip(files.items(), looks, strict=True):
        cases[image] = _case_of_moved(image, file, verdict)
    return cases


def _case_of_moved(image: str, file: str, verdict: Verdict) -> Case:
    path = PurePosixPath(file)
    where = f"there as {path.name if path.parent == PurePosixPath(image).parent else file}"
    if verdict.finding not in (None, "wrong format"):
        return Case(_told(verdict, where), file)
    if verdict.finding is None:
        return Case(Verdict(difference(image, file), where), file, "rename")
    return Case(Verdict(difference(image, file), where), file, _conversion(image))


def _told(verdict: Verdict, where: str) -> Verdict:
    return verdict._replace(detail=f"{where}: {verdict.detail}" if verdict.detail else where)


def _conversion(image: str) -> Mend | None:
    """Conversion writes JPEG only, and below the images folder only."""
    return "convert" if wanted_format(image) == "JPEG" and is_inside(image) else None
