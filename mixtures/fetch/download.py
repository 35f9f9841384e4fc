"""Doing one job: bring the download, check it, write it down, unpack it."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, Protocol
from urllib.parse import quote

import httpx2
import msgspec

from mix665k.mixtures.fetch.disk_space import DiskSpace
from mix665k.mixtures.fetch.downloads import DownloadStatus, Job, missing, status_of
from mix665k.mixtures.fetch.fetched import Entry, FetchedRecord, FileEntry
from mix665k.mixtures.fetch.hub import locate
from mix665k.mixtures.fetch.resume import Connection, discard, part_of, settle, transfer
from mix665k.mixtures.fetch.unpack import Unpacking, unpack
from mix665k.mixtures.fetch.web import Patience, with_retries
from mix665k.schemas.errors import FetchError, UserError, os_reason
from mix665k.schemas.files import sha256_of

State = Literal["fetched", "there", "not checked", "by hand", "failed", "to fetch"]


class Result(msgspec.Struct):
    """What became of a job; the size is the download's, where it is known."""

    name: str
    state: State
    num_bytes: int | None = None
    seconds: float = 0.0
    note: str = ""


class FetchListener(Protocol):
    """Sees downloads go on."""

    def begins(self, num_jobs: int) -> None:
        """So many jobs are to be done."""

    def at(self, name: str, *, doing: str, done: int, total: int | None) -> None:
        """A download is so many bytes there, or checked, or unpacked."""

    def counted(self, name: str, done: int, total: int) -> None:
        """So many of the small files of a folder are done with."""

    def finished(self, result: Result) -> None:
        """A job is done with."""


class FetchContext(NamedTuple):
    """What all jobs share; records and spaces by the folder they are of."""

    client: httpx2.Client
    patience: Patience
    stop: threading.Event
    records: Mapping[Path, FetchedRecord]
    spaces: Mapping[Path, DiskSpace]
    listener: FetchListener
    mirror: str | None = None
    keep_archives: bool = False
    accept_changed: bool = False


class _Offer(NamedTuple):
    """Where a file lies, and what it must be, as far as somebody knows."""

    urls: tuple[str, ...]
    headers: dict[str, str]
    num_bytes: int | None
    sha256: str | None


def run_download(job: Job, context: FetchContext) -> Result:
    """Do a job, whatever of it is there already; what goes wrong is its result."""
    begun = time.perf_counter()
    try:
        there = status_of(job, context.records[job.root], hashed=True, lenient=context.accept_changed)
        if there.there:
            return result_of(job, there)
        if job.download.by_hand and not context.mirror:
            return Result(job.name, "by hand", note=instructions(job))
        entry = _fetched(job, context)
        return Result(name=job.name, state="fetched", num_bytes=entry.num_bytes, seconds=time.perf_counter() - begun)
    except UserError as error:
        return Result(job.name, "failed", note=str(error))
    except OSError as error:
        why = os_reason(error)
        return Result(job.name, "failed", note=f"{error.filename or job.path}: {why}")
    finally:
        context.spaces[job.root].release(job.name)


def result_of(job: Job, there: DownloadStatus) -> Result:
    """The result for what is there."""
    return Result(job.name, "there" if there.recorded else "not checked", note=there.note)


def instructions(job: Job) -> str:
    """What to do by hand."""
    return (
        f"open {job.download.by_hand} in a browser, download the file and save it as {job.path}; "
        "then run the same command again"
    )


def mirrored(mirror: str, path: str) -> str:
    """Where a mirror has a file."""
    return f"{mirror.rstrip('/')}/{quote(path, safe='/+()')}"


def _fetched(job: Job, context: FetchContext) -> Entry:
    """Bring, record and unpack; an archive is recorded before it is unpacked, which tells that it may be removed."""
    record = context.records[job.root]
    before = record.get(job.name)
    own = before is not None or not job.path.is_file()
    entry = _downloaded(job, context)
    if not job.packed:
        entry.files = {path: FileEntry(entry.num_bytes, entry.sha256) for path in job.files.values()}
        record.add(job.name, entry)
        settle(job.path)
        return entry
    if before and before.sha256 == entry.sha256:
        entry.files = dict(before.files)
    if own:
        record.add(job.name, entry)
        settle(job.path)
    try:
        _unpack(job, context, entry)
    except FetchError:
        record.add(job.name, before)  # what cannot be unpacked is not what later ones are compared with
        raise
    record.add(job.name, entry)
    if own and not context.keep_archives:
        job.path.unlink()
    return entry


def _downloaded(job: Job, context: FetchContext) -> Entry:
    """A download that is in its part, or was in its place before, and is what it must be."""
    offer, url = _offer(job, context), ""
    if job.path.is_file():
        entry = context.records[job.root].get(job.name)
        got, url = job.path, entry.url if entry else "put there by hand"
    else:
        got, url = part_of(job.path), _transferred(job, context, offer)
    context.listener.at(job.name, doing="checking", done=0, total=None)
    found = Entry(url, got.stat().st_size, sha256_of(got))
    size, sha256 = offer.num_bytes or found.num_bytes, offer.sha256 or found.sha256
    if (size, sha256) == (found.num_bytes, found.sha256) or context.accept_changed:
        return found
    discard(job.path)
    raise FetchError(
        f"{url}: not the file that is known: {found.num_bytes:,} bytes with SHA-256 {found.sha256[:12]}…, expected "
        f"{size:,} with {sha256[:12]}…; if its publisher has changed it, --accept-changed takes it as it is"
    )


def _offer(job: Job, context: FetchContext) -> _Offer:
    """What was fetched before, what the source declares, and what the hub says, in this order."""
    download, entry = job.download, context.records[job.root].get(job.name)
    num_bytes = entry.num_bytes if entry else download.num_bytes
    sha256 = entry.sha256 if entry else download.sha256
    if context.mirror:
        return _Offer(urls=(mirrored(context.mirror, job.name),), headers={}, num_bytes=num_bytes, sha256=sha256)
    if download.hub is None or job.path.is_file():
        return _Offer(urls=download.addresses, headers={}, num_bytes=num_bytes, sha256=sha256)
    found = with_retries(lambda: locate(download, context.patience), patience=context.patience, stop=context.stop)
    return _Offer(
        urls=(found.url,), headers=found.headers, num_bytes=num_bytes or found.num_bytes, sha256=sha256 or found.sha256
    )


def _transferred(job: Job, context: FetchContext, offer: _Offer) -> str:
    """The address that a download came from, the first that has it."""
    space, failures = context.spaces[job.root], []

    def at(done: int, total: int | None) -> None:
        context.listener.at(job.name, doing="downloading", done=done, total=total)

    connection = Connection(
        name=job.name, client=context.client, patience=context.patience, stop=context.stop, space=space, at=at
    )
    num_bytes = None if context.accept_changed else offer.num_bytes
    for url in offer.urls:
        try:
            transfer(url, job.path, connection, headers=offer.headers, num_bytes=num_bytes, room_bytes=job.room_bytes)
            return url
        except FetchError as error:
            failures.append(str(error))
    raise FetchError("; and ".join(dict.fromkeys(failures)))


def _unpack(job: Job, context: FetchContext, entry: Entry) -> None:
    """Unpack what is missing; of images also what is there in another size."""
    space, total, done = context.spaces[job.root], job.room_bytes or None, 0
    space.reserve(job.name, job.room_bytes)
    absent = {job.root / path for path in missing(job)}

    def choose(member: PurePosixPath) -> Path | None:
        path = job.choose(member)
        return path if job.images or path in absent else None

    def moved(num_bytes: int) -> None:
        nonlocal done
        done += num_bytes
        space.written(job.name, num_bytes)
        context.listener.at(job.name, doing="unpacking", done=done, total=total)

    written = unpack(job.path, Unpacking(choose, moved, context.stop, keep=job.images is not None))
    if left := missing(job) or ([job.images.folder] if job.images and not written else []):
        raise FetchError(f"{job.path}: nothing in it for {', '.join(left)}; is it the right archive?")
    if job.images:
        entry.images = len(written)
    entry.files |= {
        str(file.path.relative_to(job.root)): FileEntry(file.num_bytes, file.sha256)
        for file in written
        if file.sha256 and not job.images
    }
