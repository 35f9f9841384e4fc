"""A run of `mix fetch`: the jobs of the chosen sources side by side, then the images that have one address each."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from mix665k.builders.registry import Source
from mix665k.mixtures.fetch.addressed_images import (
    AddressedImages,
    ImagesReport,
    ImagesWanted,
    addressed_images,
    fetch_images,
    summary_of,
)
from mix665k.mixtures.fetch.disk_space import DiskSpace
from mix665k.mixtures.fetch.download import (
    FetchContext,
    FetchListener,
    Result,
    instructions,
    mirrored,
    result_of,
    run_download,
)
from mix665k.mixtures.fetch.downloads import Job, chosen, image_jobs, raw_jobs, status_of, subset_jobs
from mix665k.mixtures.fetch.fetched import FetchedRecord
from mix665k.mixtures.fetch.web import Patience, RateLimit, open_client
from mix665k.mixtures.fetch.workers import in_threads
from mix665k.mixtures.images.naming import named_images
from mix665k.mixtures.synth import MARKER
from mix665k.schemas.errors import FetchError, UserError
from mix665k.schemas.files import held, os_errors

_LOCK = ".fetch.lock"


class FetchRequest(NamedTuple):
    """What to fetch and how: these sources or all, without those that are excluded; with `subsets` none by default."""

    sources: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    subsets: tuple[str, ...] = ()
    raw: Path | None = None
    images: Path | None = None
    mixture: Path | None = None
    mirror: str | None = None
    jobs: int = 4
    covers_per_second: float = 20.0
    keep_archives: bool = False
    accept_changed: bool = False
    patience: Patience = Patience()


class FetchReport(msgspec.Struct):
    """What became of each download, and of each cover."""

    files: list[Result]
    covers: ImagesReport | None = None

    @property
    def left(self) -> list[Result]:
        """What is not there yet."""
        return [result for result in self.files if result.state in ("failed", "by hand")]


def fetch(request: FetchRequest, listener: FetchListener) -> FetchReport:
    """Fetch what is not there; what fails does not keep the rest from coming.

    Raises:
        UserError: when nothing can be begun, or another run is at work in one of the folders.
    """
    sources, named = _sources(request), _named_images(request)
    jobs, covers = _jobs(request, sources), _addressed(request, sources)
    report = FetchReport([])
    with ExitStack() as stack:
        context = _context(request, listener, stack)
        listener.begins(len(jobs) + len(covers))
        results = in_threads(lambda job: run_download(job, context), jobs, jobs=request.jobs, stop=context.stop)
        stack.enter_context(closing(results))
        for result in results:
            report.files.append(result)
            listener.finished(result)
        order = {job.name: i for i, job in enumerate(jobs)}
        report.files.sort(key=lambda result: order[result.name])
        for one in covers:
            _fetch_addressed(report, request=request, context=context, covers=one, named=_in_folder(named, one))
    return report


def preview(request: FetchRequest) -> FetchReport:
    """What `fetch` would do, told without asking anybody; files that are there are compared by size only.

    Raises:
        UserError: when a name or the mixture is wrong.
    """
    found = FetchReport([])
    sources, named = _sources(request), _named_images(request)
    for job in _jobs(request, sources):
        entry = FetchedRecord(job.root).get(job.name)
        size = entry.num_bytes if entry else job.download.num_bytes
        try:
            there = status_of(job, FetchedRecord(job.root), hashed=False, lenient=request.accept_changed)
        except FetchError as error:
            found.files.append(Result(job.name, "failed", note=str(error)))
            continue
        if there.there:
            found.files.append(result_of(job, there))
        elif job.download.by_hand and not request.mirror:
            found.files.append(Result(job.name, "by hand", size, note=instructions(job)))
        else:
            place = mirrored(request.mirror, job.name) if request.mirror else job.download.place
            about = f", {job.about_bytes / 1e6:,.0f} MB or so{' unpacked' * job.packed}" if job.about_bytes else ""
            found.files.append(Result(job.name, "to fetch", size, note=f"from {place}{'' if size else about}"))
    for one in _addressed(request, sources):
        wanted = _in_folder(named, one)
        number = "one address each" if wanted is None else f"{len(wanted):,} named, one address each"
        found.files.append(Result(one.folder, "to fetch", note=f"{number}; those that are there are left"))
    return found


def _context(request: FetchRequest, listener: FetchListener, stack: ExitStack) -> FetchContext:
    """What the jobs share, given back when `stack` is left."""
    roots = dict.fromkeys(root for root in (request.raw, request.images) if root)
    for root in roots:
        stack.enter_context(_held_folder(root))
    return FetchContext(
        client=stack.enter_context(open_client(request.patience, connections=request.jobs)),
        patience=request.patience,
        stop=threading.Event(),
        records={root: FetchedRecord(root) for root in roots},
        spaces={root: DiskSpace(root) for root in roots},
        listener=listener,
        mirror=request.mirror,
        keep_archives=request.keep_archives,
        accept_changed=request.accept_changed,
    )


def _sources(request: FetchRequest) -> list[Source]:
    if request.subsets and not request.sources:
        return []
    return chosen(request.sources, exclude=request.exclude)


def _jobs(request: FetchRequest, sources: Sequence[Source]) -> list[Job]:
    raw = raw_jobs(sources, request.raw) + subset_jobs(request.subsets, request.raw) if request.raw else []
    return raw + (image_jobs(sources, request.images) if request.images else [])


def _addressed(request: FetchRequest, sources: Sequence[Source]) -> list[AddressedImages]:
    """What has one address each, if images are asked for."""
    return [one for source in sources if (one := addressed_images(source))] if request.images else []


def _named_images(request: FetchRequest) -> set[str] | None:
    """The images that the mixture names; None without a mixture."""
    if request.mixture is None:
        return None
    return set(named_images(request.mixture, (), advance=lambda _: None).records["image"])


def _in_folder(images: set[str] | None, covers: AddressedImages) -> set[str] | None:
    return images and {image for image in images if image.startswith(f"{covers.folder}/")}


def _fetch_addressed(
    report: FetchReport,
    *,
    request: FetchRequest,
    context: FetchContext,
    covers: AddressedImages,
    named: set[str] | None,
) -> None:
    assert request.images is not None
    path = request.raw and request.raw / covers.file.path
    if path is None or not path.is_file():
        where = f"{path}: no such file" if path else "--raw is missing"
        note = f"the addresses of its images are in {covers.file.path}; {where}, pass --raw RAW that has it"
        result = Result(covers.folder, "by hand", note=note)
    else:
        order = ImagesWanted(
            covers=covers,
            path=path,
            images=request.images,
            named=named,
            jobs=request.jobs,
            rate_limit=RateLimit(request.covers_per_second),
        )
        try:
            found = fetch_images(order, context)
            report.covers = found if report.covers is None else report.covers + found
            result = summary_of(found, covers)
        except UserError as error:
            result = Result(covers.folder, "failed", note=str(error))
    report.files.append(result)
    context.listener.finished(result)


@contextmanager
def _held_folder(root: Path) -> Iterator[None]:
    """Keep other runs out of a folder, and real files out of one that holds made-up ones.

    Raises:
        FetchError: when it is taken, or cannot be.
    """
    busy = FetchError(f"{root}: another `mix fetch` is at work there; wait for it")
    with os_errors(FetchError, root):
        root.mkdir(parents=True, exist_ok=True)
        if (root / MARKER).is_file():
            raise FetchError(f"{root}: holds made-up files of `mix synth`; name another folder")
    with ExitStack() as stack:
        with os_errors(FetchError, root):
            stack.enter_context(held(root / _LOCK, busy=busy))
        yield
