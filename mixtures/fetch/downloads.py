"""What there is to fetch: the downloads that the sources declare, and what each has given already."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import mix665k.builders  # noqa: F401, registers sources and steps
from mix665k.builders.parts import published_parts
from mix665k.builders.registry import SOURCES, Download, ImageFolder, RawFile, Source
from mix665k.mixtures.fetch.fetched import FetchedRecord
from mix665k.mixtures.storage.subsets import SUBSETS, load_subset
from mix665k.schemas.errors import FetchError, RecipeError, did_you_mean
from mix665k.schemas.files import sha256_of


class Job(NamedTuple):
    """A download and what it gives below the folder `root`.

    `files` are the raw files by their names in the archive, or the one file that is no archive under the name "";
    `about_bytes` is what they take, as far as it is known. `images` is the archive of images.
    """

    root: Path
    folder: str
    download: Download
    files: dict[str, str]
    about_bytes: int
    images: ImageFolder | None = None

    @property
    def name(self) -> str:
        """What it is called in records, tables and below a mirror."""
        return f"{self.folder}/{self.download.name}"

    @property
    def path(self) -> Path:
        """Where the download itself lies."""
        return self.root / self.folder / self.download.name

    @property
    def packed(self) -> bool:
        """Whether it is an archive."""
        return "" not in self.files

    @property
    def room_bytes(self) -> int:
        """What it takes on the disk beside the download."""
        return self.about_bytes if self.packed else 0

    def choose(self, member: PurePosixPath) -> Path | None:
        """Where a member of the archive goes.

        A raw file is known by its last name: publishers have packed the same files with and without a folder.
        """
        if self.images is None:
            wanted = {PurePosixPath(name).name: path for name, path in self.files.items()}
            path = None if "__MACOSX" in member.parts else wanted.get(member.name)
            return self.root / path if path else None
        prefix = PurePosixPath(self.images.members)
        return self.root / self.images.folder / member.relative_to(prefix) if prefix in member.parents else None


class DownloadStatus(NamedTuple):
    """What is there of a job: all of it as recorded, all of it from elsewhere, or not all."""

    there: bool
    recorded: bool
    note: str = ""


def chosen(names: Iterable[str], *, exclude: Iterable[str] = ()) -> list[Source]:
    """The sources of these names, or all that have something to fetch; without those that are excluded.

    Raises:
        RecipeError: when there is no such source, or nothing to fetch for it.
    """
    asked, excluded = list(dict.fromkeys(names)), set(exclude)
    for option, given in (("--source", asked), ("--exclude-source", exclude)):
        for name in given:
            if name not in SOURCES:
                raise RecipeError(f"{option} {name}: no such source{did_you_mean(name, SOURCES)}")
    for name in asked:
        if not SOURCES[name].about.offered:
            raise RecipeError(f"--source {name}: its file is your own, there is nothing to fetch")
    offered = [name for name in asked or sorted(SOURCES) if SOURCES[name].about.offered]
    return [SOURCES[name] for name in offered if name not in excluded]


def raw_jobs(sources: Iterable[Source], raw: Path) -> list[Job]:
    """The downloads that bring the raw files."""
    files: dict[tuple[str, Download], dict[str, RawFile]] = {}
    for source in sources:
        for file in source.about.files:
            if file.download is not None:  # of a person's own source some files may be offered, others not
                files.setdefault((file.path.partition("/")[0], file.download), {})[file.member] = file
    return [
        Job(
            root=raw,
            folder=folder,
            download=download,
            files={member: file.path for member, file in given.items()},
            about_bytes=sum({file.path: file.num_bytes or 0 for file in given.values()}.values()),
        )
        for (folder, download), given in files.items()
    ]


def subset_jobs(names: Iterable[str], raw: Path) -> list[Job]:
    """The downloads that bring published subsets.

    Raises:
        RecipeError: for one that is not known.
    """
    subsets = [load_subset(name) for name in dict.fromkeys(names)]
    return [
        Job(
            root=raw,
            folder=SUBSETS,
            download=subset.download,
            files={"": subset.path},
            about_bytes=subset.num_bytes or 0,
        )
        for subset in subsets
    ]


def image_jobs(sources: Iterable[Source], images: Path) -> list[Job]:
    """The downloads that bring the images; sources share some."""
    archives = dict.fromkeys(archive for source in sources for archive in source.about.archives)
    return [
        Job(
            root=images,
            folder=folder.folder.partition("/")[0],
            download=download,
            files={},
            about_bytes=download.num_bytes or 0,
            images=folder,
        )
        for folder, download in archives
    ]


def status_of(job: Job, record: FetchedRecord, *, hashed: bool, lenient: bool) -> DownloadStatus:
    """How far a job is done, by sizes, and with `hashed` by content too.

    Raises:
        FetchError: for a raw file that is not what was fetched, nor, unless `lenient`, what its source declares.
    """
    return (
        _images_there(job, record) if job.images else _files_there(job, record=record, hashed=hashed, lenient=lenient)
    )


def missing(job: Job) -> list[str]:
    """The raw files that are not there, neither as published nor in parts."""
    return sorted(
        {path for path in job.files.values() if not all(one.is_file() for one in published_parts(job.root, path))}
    )


def _files_there(job: Job, *, record: FetchedRecord, hashed: bool, lenient: bool) -> DownloadStatus:
    if missing(job):
        return DownloadStatus(there=False, recorded=False)
    entry = record.get(job.name)
    recorded = entry is not None and set(job.files.values()) <= entry.files.keys()
    in_parts = {path for path in job.files.values() if not (job.root / path).is_file()}
    if in_parts:
        note = f"{', '.join(sorted(in_parts))} in parts, put there by hand, not checked"
        return DownloadStatus(there=True, recorded=False, note=note)
    for path in sorted(set(job.files.values())):
        if entry and path in entry.files:
            known_file = entry.files[path]
            _require_same(
                job.root / path, num_bytes=known_file.num_bytes, sha256=known_file.sha256, hashed=hashed, choice=""
            )
        elif not job.packed and not lenient:
            recorded = job.download.sha256 is not None
            known, choice = job.download, ", or keep your own with --accept-changed"
            _require_same(job.root / path, num_bytes=known.num_bytes, sha256=known.sha256, hashed=hashed, choice=choice)
    return DownloadStatus(there=True, recorded=recorded, note="" if recorded else "put there by hand, not checked")


def _require_same(file: Path, *, num_bytes: int | None, sha256: str | None, hashed: bool, choice: str) -> None:
    if num_bytes not in (None, file.stat().st_size) or (hashed and sha256 not in (None, sha256_of(file))):
        raise FetchError(f"{file}: not the file that is known by size and hash; remove it to fetch it again{choice}")


def _images_there(job: Job, record: FetchedRecord) -> DownloadStatus:
    """An archive that still lies there is not done with: its unpacking was interrupted, or it is to be kept."""
    assert job.images is not None
    count, entry = count_images(job.root / job.images.folder), record.get(job.name)
    if entry and entry.images:
        note = "" if count >= entry.images else f"{count:,} of {entry.images:,} images there"
        return DownloadStatus(there=not note, recorded=True, note=note)
    begun = job.path.exists() or job.path.with_name(f"{job.path.name}.part").exists()
    if count and not begun:
        return DownloadStatus(there=True, recorded=False, note=f"{count:,} images put there by hand, not checked")
    return DownloadStatus(there=False, recorded=False)


def count_images(folder: Path) -> int:
    """The files in a folder, those not counted that are being written."""
    try:
        with os.scandir(folder) as found:
            return sum(not entry.name.startswith(".") for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return 0
