"""A run of `mix fetch`: the jobs of the chosen sources side by side, then the images that have one address each."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from filelock import FileLock, Timeout

from mix665k.builders.registry import Source
from mix665k.mixtures.fetch.bring import Kit, Result, Watcher, bring, instructions, mirrored, told
from mix665k.mixtures.fetch.covers import Covers, Found, Order, covers_of, fetch_covers, summed
from mix665k.mixtures.fetch.crew import side_by_side
from mix665k.mixtures.fetch.jobs import Job, chosen, image_jobs, raw_jobs, standing
from mix665k.mixtures.fetch.pace import Pace
from mix665k.mixtures.fetch.record import Record
from mix665k.mixtures.fetch.space import Space
from mix665k.mixtures.fetch.web import Patience, open_client
from mix665k.mixtures.images.naming import named_images
from mix665k.mixtures.synth import MARKER
from mix665k.schemas.errors import FetchError, UserError, os_reason

_LOCK = ".fetch.lock"


class Request(NamedTuple):
    """What to fetch and how: these sources or all, without those that are excluded."""

    sources: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    raw: Path | None = None
    images: Path | None = None
    mixture: Path | None = None
    mirror: str | None = None
    jobs: int = 4
    covers_per_second: float = 20.0
    keep_archives: bool = False
    accept_changed: bool = False
    patience: Patience = Patience()


class Report(msgspec.Struct):
    """What became of each download, and of each cover."""

    files: list[Result]
    covers: Found | None = None

    @property
    def left(self) -> list[Result]:
        """What is not there yet."""
        return [result for result in self.files if result.state in ("failed", "by hand")]


def fetch(request: Request, watcher: Watcher) -> Report:
    """Fetch what is not there; what fails does not keep the rest from coming.

    Raises:
        UserError: when nothing can be begun, or another run is at work in one of the folders.
    """
    sources, named = chosen(request.sources, exclude=request.exclude), _named_images(request)
    jobs, covers = _jobs(request, sources), _covers(request, sources)
    report = Report([])
    with ExitStack() as stack:
        kit = _kit(request, watcher, stack)
        watcher.begins(len(jobs) + len(covers))
        results = side_by_side(lambda job: bring(job, kit), jobs, jobs=request.jobs, stop=kit.stop)
        stack.enter_context(closing(results))
        for result in results:
            report.files.append(result)
            watcher.finished(result)
        order = {job.name: i for i, job in enumerate(jobs)}
        report.files.sort(key=lambda result: order[result.name])
        for one in covers:
            _add_covers(report, request, kit, one, _in_folder(named, one))
    return report


def preview(request: Request) -> Report:
    """What `fetch` would do, told without asking anybody; files that are there are compared by size only.

    Raises:
        UserError: when a name or the mixture is wrong.
    """
    found = Report([])
    sources, named = chosen(request.sources, exclude=request.exclude), _named_images(request)
    for job in _jobs(request, sources):
        entry = Record(job.root).get(job.name)
        size = entry.num_bytes if entry else job.download.num_bytes
        try:
            there = standing(job, Record(job.root), hashed=False, lenient=request.accept_changed)
        except FetchError as error:
            found.files.append(Result(job.name, "failed", note=str(error)))
            continue
        if there.there:
            found.files.append(told(job, there))
        elif job.download.by_hand and not request.mirror:
            found.files.append(Result(job.name, "by hand", size, note=instructions(job)))
        else:
            place = mirrored(request.mirror, job.name) if request.mirror else job.download.place
            about = f", {job.about_bytes / 1e6:,.0f} MB or so{' unpacked' * job.packed}" if job.about_bytes else ""
            found.files.append(Result(job.name, "to fetch", size, note=f"from {place}{'' if size else about}"))
    for one in _covers(request, sources):
        wanted = _in_folder(named, one)
        number = "one address each" if wanted is None else f"{len(wanted):,} named, one address each"
        found.files.append(Result(one.folder, "to fetch", note=f"{number}; those that are there are left"))
    return found


def _kit(request: Request, watcher: Watcher, stack: ExitStack) -> Kit:
    """What the jobs share, given back when `stack` is left."""
    roots = dict.fromkeys(root for root in (request.raw, request.images) if root)
    for root in roots:
        stack.enter_context(_alone(root))
    return Kit(
        stack.enter_context(open_client(request.patience, connections=request.jobs)),
        request.patience,
        threading.Event(),
        {root: Record(root) for root in roots},
        {root: Space(root) for root in roots},
        watcher,
        request.mirror,
        request.keep_archives,
        request.accept_changed,
    )


def _jobs(request: Request, sources: Sequence[Source]) -> list[Job]:
    raw = raw_jobs(sources, request.raw) if request.raw else []
    return raw + (image_jobs(sources, request.images) if request.images else [])


def _covers(request: Request, sources: Sequence[Source]) -> list[Covers]:
    """What has one address each, if images are asked for."""
    return [one for source in sources if (one := covers_of(source))] if request.images else []


def _named_images(request: Request) -> set[str] | None:
    """The images that the mixture names; None without a mixture."""
    if request.mixture is None:
        return None
    return set(named_images(request.mixture, (), advance=lambda _: None).records["image"])


def _in_folder(images: set[str] | None, covers: Covers) -> set[str] | None:
    return images and {image for image in images if image.startswith(f"{covers.folder}/")}


def _add_covers(report: Report, request: Request, kit: Kit, covers: Covers, named: set[str] | None) -> None:
    assert request.images is not None
    path = request.raw and request.raw / covers.file.path
    if path is None or not path.is_file():
        where = f"{path}: no such file" if path else "--raw is missing"
        note = f"the addresses of its images are in {covers.file.path}; {where}, pass --raw RAW that has it"
        result = Result(covers.folder, "by hand", note=note)
    else:
        order = Order(covers, path, request.images, named, request.jobs, Pace(request.covers_per_second))
        try:
            found = fetch_covers(order, kit)
            report.covers = found if report.covers is None else report.covers + found
            result = summed(found, covers)
        except UserError as error:
            result = Result(covers.folder, "failed", note=str(error))
    report.files.append(result)
    kit.watcher.finished(result)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other runs out of a folder, and real files out of one that holds made-up ones.

    Raises:
        FetchError: when it is taken, or cannot be.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        if (root / MARKER).is_file():
            raise FetchError(f"{root}: holds made-up files of `mix synth`; name another folder")
        lock = FileLock(root / _LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise FetchError(f"{root}: another `mix fetch` is at work there; wait for it") from None
    except OSError as error:
        raise FetchError(f"{error.filename or root}: {os_reason(error)}") from None
    try:
        yield
    finally:
        lock.release()
