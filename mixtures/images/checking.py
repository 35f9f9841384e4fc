"""Checking the images of a mixture, and mending what can be mended where that is asked."""

from functools import partial
from pathlib import Path

from mix665k.mixtures.images.examining import PRELOAD, Case, Request, examine
from mix665k.mixtures.images.findings import Mended, Report, to_json
from mix665k.mixtures.images.mapping import load_mapping
from mix665k.mixtures.images.mending import Task, locked, mend_all, settle
from mix665k.mixtures.images.naming import named_images
from mix665k.mixtures.images.pool import in_processes
from mix665k.mixtures.images.summary import summarise
from mix665k.mixtures.progress import Bar
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import write_whole


def check_images(target: Path, request: Request, *, bar: Bar) -> Report:
    """Look at every image that a mixture's folder, or a JSON file in LLaVA's own form, names.

    Raises:
        MixtureError: for a mixture that is damaged, a source or images folder that is not there, or a list of the bad
            images that cannot be written.
        RawDataError: for a file that is not in LLaVA's form, or a mapping that is none.
    """
    if not request.folder.is_dir():
        raise MixtureError(f"--images {request.folder}: no such folder")
    _require_room(target, request)
    mapping = load_mapping(request.mapping) if request.mapping else {}
    with bar("reading") as advance:
        named = named_images(target, request.sources, advance=advance)
    images = named.records["image"].unique().sort().to_list()
    cases = examine(images, mapping, request, bar=bar)
    mended = _mend(images, cases, request, bar) if request.fix else []
    report = summarise(named, cases)
    report.path, report.folder, report.mended = str(target), str(request.folder), mended
    report.mapping_unused = len(mapping.keys() - set(images))
    if request.bad_list is not None:
        write_whole(request.bad_list, to_json(report.bad) + "\n")
    return report


def require_sound(report: Report) -> None:
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


def _advice(report: Report) -> str:
    """How to mend what is bad."""
    failed = [one for one in report.mended if one.failed is not None]
    mendable = sum(one.mend is not None for one in report.bad)
    if failed:
        return f"--fix could not mend {len(failed):,}: {failed[0].failed}"
    if mendable:
        return f"pass --fix, which mends {mendable:,}" + (", and get the others again" * (len(report.bad) > mendable))
    if report.total.findings.keys() == {"missing"} and report.total.named == report.total.bad:
        return "is it the folder that holds coco, gqa and the others?"
    return "get them again"


def _require_room(target: Path, request: Request) -> None:
    """The list of bad images can be written, and over nothing that is read."""
    path = request.bad_list
    if path is None:
        return
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise MixtureError(f"--write-list {path}: expected a file in a folder that is there")
    read = [one.resolve() for one in (target, request.mapping) if one is not None]
    if any(one == path.resolve() or one in path.resolve().parents for one in read):
        raise MixtureError(f"--write-list {path}: would overwrite what it is about; name another")


def _mend(images: list[str], cases: dict[str, Case], request: Request, bar: Bar) -> list[Mended]:
    """Mend what can be mended; the cases then tell what is left."""
    wanted = [Task(image, case.file, case.mend) for image, case in cases.items() if case.mend]
    if not wanted:
        return []
    work = partial(mend_all, folder=request.folder, min_side_px=request.min_side_px)
    with locked(request.folder), bar("mending") as advance:
        tasks = settle(wanted, folder=request.folder, named=set(images))
        outcomes = in_processes(work, tasks, jobs=request.jobs, preload=PRELOAD, advance=advance)
    mended = []
    for (image, file, _), task, (failed, verdict) in zip(wanted, tasks, outcomes, strict=True):
        mended.append(Mended(image, file, task.mend, failed))
        if failed is None:
            cases[image] = Case(verdict, image)
    return mended
