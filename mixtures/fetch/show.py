"""What a person sees of a run: a bar per download, or a line for each that is done, and a table."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from mix665k.mixtures.fetch.disk_space import size_text
from mix665k.mixtures.fetch.download import Result
from mix665k.mixtures.fetch.run import FetchReport, FetchRequest, fetch, preview
from mix665k.schemas.errors import FetchError
from mix665k.schemas.terminal import open_console, say_json, text_column

_STYLES = {"fetched": "green", "there": "green", "failed": "red"}
_ALL = "all"


class _Speed(ProgressColumn):
    """Megabytes, or small files, a second."""

    def render(self, task: Task) -> Text:
        """See rich."""
        speed = task.finished_speed or task.speed
        if speed is None or task.fields["doing"] not in ("downloading", _ALL, "files"):
            return Text("")
        return Text(f"{speed:,.0f}/s" if task.fields["doing"] == "files" else f"{speed / 1e6:,.1f} MB/s")


class FetchProgress:
    """See `run_download.Watcher`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._console = progress.console
        self._tasks: dict[str, TaskID] = {}
        self._whole: dict[str, tuple[int, int]] = {}
        self._jobs = self._done = 0
        self._lock = threading.RLock()

    def begins(self, num_jobs: int) -> None:
        """See `run_download.Watcher`."""
        self._jobs = num_jobs
        self._show_all()

    def at(self, name: str, *, doing: str, done: int, total: int | None) -> None:
        """See `run_download.Watcher`."""
        amount = doing if doing == "checking" else f"{done / 1e6:,.0f}/{total / 1e6:,.0f} MB" if total else ""
        self._move(
            name,
            description=name if doing == "downloading" else f"{doing} {name}",
            doing=doing,
            done=done,
            total=total,
            amount=amount,
        )
        if doing == "downloading":
            with self._lock:
                self._whole[name] = (done, total or done)
                self._show_all()

    def counted(self, name: str, done: int, total: int) -> None:
        """See `run_download.Watcher`."""
        self._move(name, description=name, doing="files", done=done, total=total, amount=f"{done:,}/{total:,}")

    def finished(self, result: Result) -> None:
        """See `run_download.Watcher`."""
        if result.name in self._tasks:
            self._progress.remove_task(self._tasks.pop(result.name))
        with self._lock:
            self._done += 1
            self._show_all()
        if not self._console.is_terminal:
            size = f", {size_text(result.num_bytes)}" if result.num_bytes else ""
            self._console.print(f"{result.name}: {result.state}{size}", highlight=False, soft_wrap=True)

    def _show_all(self) -> None:
        """The bytes of the downloads that began, since the size of many is not known before."""
        done, total = (sum(part[i] for part in self._whole.values()) for i in (0, 1))
        description = f"{self._done} of {self._jobs} done"
        self._move(
            _ALL,
            description=description,
            doing=_ALL,
            done=done,
            total=total or None,
            amount=f"{done / 1e6:,.0f}/{total / 1e6:,.0f} MB",
        )

    def _move(self, name: str, *, description: str, doing: str, done: int, total: int | None, amount: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(description, total=total, doing=doing, amount=amount)
        self._progress.update(
            self._tasks[name], description=description, completed=done, total=total, doing=doing, amount=amount
        )


@contextmanager
def fetch_progress(console: Console) -> Iterator[FetchProgress]:
    """The bars of a run; a line for each download that is done where there is no terminal."""
    columns = (
        text_column("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=14),
        text_column("{task.fields[amount]}", justify="right"),
        _Speed(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True, expand=True, disable=not console.is_terminal) as progress:
        yield FetchProgress(progress)


def fetch_and_show(request: FetchRequest, *, dry_run: bool, as_json: bool) -> None:
    """Fetch, or with `dry_run` look what there is to fetch, and print it.

    Raises:
        UserError: see `run.fetch`, and when not all is there in the end.
    """
    if dry_run:
        report = preview(request)
    else:
        with fetch_progress(open_console(stderr=True)) as progress:
            report = fetch(request, progress)
    if as_json:
        say_json(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        print_report(open_console(), report)
    if report.left and not dry_run:
        raise FetchError(
            f"{len(report.left)} of {len(report.files)} are not there yet, for the reasons above; "
            "rerun the same command to resume"
        )


def print_report(console: Console, report: FetchReport) -> None:
    """A row for each download, and below it what there is to say of some."""
    table = Table("file", "state", box=SIMPLE_HEAD)
    table.add_column("size", justify="right", no_wrap=True)
    for result in report.files:
        style = _STYLES.get(result.state, "yellow")
        size = size_text(result.num_bytes) if result.num_bytes else ""
        table.add_row(result.name, Text(result.state, style=style), size)
    if to_come := sum(result.num_bytes or 0 for result in report.files if result.state == "to fetch"):
        table.add_section()
        table.add_row("to fetch, where the size is known", "", size_text(to_come))
    console.print(table)
    for result in report.files:
        if result.note:
            console.print(f"{result.name}: {result.note}", highlight=False, soft_wrap=True)
