"""One job at a time, for tests."""

import threading
from pathlib import Path

from mix665k.builders.registry import Download
from mix665k.mixtures.fetch.disk_space import DiskSpace
from mix665k.mixtures.fetch.download import FetchContext, Result, run_download
from mix665k.mixtures.fetch.downloads import Job
from mix665k.mixtures.fetch.fetched import FetchedRecord
from mix665k.mixtures.fetch.web import Patience, open_client

HASTE = Patience(retries=3, first_s=0.0, longest_s=0.0, silence_s=5.0)


class Silent:
    """Sees downloads go on and remembers how far they were."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int | None]] = []
        self.counts: list[int] = []

    def begins(self, num_jobs: int) -> None:
        """Look away."""

    def at(self, name: str, doing: str, done: int, total: int | None) -> None:
        """Remember it."""
        self.steps.append((doing, done, total))

    def counted(self, name: str, done: int, total: int) -> None:
        """Remember it."""
        self.counts.append(done)

    def finished(self, result: Result) -> None:
        """Look away."""


def plain(root: Path, *folders: str, num_bytes: int | None = None, sha256: str | None = None) -> Job:
    """A job for one file that is no archive."""
    download = Download(name="file.json", folders=folders, num_bytes=num_bytes, sha256=sha256)
    return Job(root=root, folder="some", download=download, files={"": "some/file.json"}, about_bytes=0)


def context(
    root: Path, *, patience: Patience = HASTE, mirror: str | None = None, accept_changed: bool = False
) -> FetchContext:
    """What a job needs."""
    return FetchContext(
        client=open_client(patience, connections=2),
        patience=patience,
        stop=threading.Event(),
        records={root: FetchedRecord(root)},
        spaces={root: DiskSpace(root)},
        listener=Silent(),
        mirror=mirror,
        accept_changed=accept_changed,
    )


def brought(job: Job, *, patience: Patience = HASTE, accept_changed: bool = False) -> Result:
    """What becomes of a job."""
    tools = context(job.root, patience=patience, accept_changed=accept_changed)
    with tools.client:
        return run_download(job, tools)
