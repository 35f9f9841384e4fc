"""What a person sees of a build: a bar per source, then a table."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.build.plan import Plan
from mix665k.mixtures.build.source import Built
from mix665k.mixtures.engine.tasks import Done
from mix665k.mixtures.image_keys import SHARED_IMAGES
from mix665k.mixtures.terminal import left_out_table, narrow_table, noted_table
from mix665k.schemas.manifest import HELD_OUT, Balanced, Manifest, SourceEntry, left_out
from mix665k.schemas.terminal import printable, text_column


class BuildProgress:
    """A bar per source that fills with the raw bytes read."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._progress = progress
        self._console = progress.console
        self._tasks: dict[str, TaskID] = {}
        for bound in plan.sources:
            total = sum(part.stat().st_size for parts in bound.files.values() for part in parts)
            label = bound.block.label
            self._tasks[label] = self._progress.add_task(label, total=total, start=False, records=0, note="")

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """See `parallel.Listener`."""
        task = self._tasks[label]
        if not self._progress.tasks[task].started:
            self._progress.start_task(task)
        written = self._progress.tasks[task].fields["records"] + records
        self._progress.update(task, advance=num_bytes, records=written)

    def finished(self, done: Done) -> None:
        """See `parallel.Listener`."""
        built: Built = done.result
        task, records = self._tasks[done.label], built.entry.conversations
        total = self._progress.tasks[task].total
        self._progress.update(task, completed=total, records=records, note="already built" if built.reused else "")
        self._progress.stop_task(task)
        if not self._console.is_terminal:
            already = "already built, " if built.reused else ""
            self._console.print(f"{done.label}: {already}{records:,} records, {done.seconds:.1f} s", highlight=False)


@contextmanager
def build_progress(plan: Plan, *, console: Console) -> Iterator[BuildProgress]:
    """The bars of a build; a line for each source that is finished where there is no terminal."""
    columns = (
        text_column("{task.description:>15}"),
        BarColumn(bar_width=30),
        text_column("{task.percentage:>3.0f} % read"),
        text_column("{task.fields[records]:>9,} records"),
        TimeElapsedColumn(),
        text_column("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield BuildProgress(plan, progress)


def show_result(console: Console, manifest: Manifest, done: list[Done]) -> None:
    """Print the tables that close a build: what was built, and what was left out and why."""
    console.print(_built_table(manifest, done))
    for one in manifest.selections:
        console.print(
            f"{one.file} selects {one.selected:,} records: {one.asked:,} entries = {one.exact:,} exact "
            f"+ {one.ambiguous:,} ambiguous + {one.missing:,} missing + {one.repeated:,} repeated; {one.method}",
            highlight=False,
            markup=False,
        )
    if manifest.balanced:
        console.print(_balanced_table(manifest.balanced))
    if held := manifest.held_out:
        console.print(
            f"held out {held.drawn:,} of {held.of:,} images with {held.records:,} records, in {HELD_OUT}/"
            f"{_unknown(manifest)}",
            highlight=False,
            markup=False,
        )
    lost = left_out_table({one.label: left_out(one.result.entry) for one in done})
    noted = noted_table({one.label: one.result.entry.funnel for one in done})
    for table in (lost, noted):
        if table.row_count:
            console.print(table)


def _balanced_table(drawn: Balanced) -> Table:
    """How much of each source was drawn, in the unit of the balance."""
    table = narrow_table(f"balanced, {drawn.unit}", "source", numbers=("of", "asked", "drawn"))
    for one in drawn.sources:
        asked = "" if one.asked is None else f"{one.asked:,}"
        table.add_row(one.name, f"{one.of:,}", asked, f"{one.taken:,}")
    return table


def _unknown(manifest: Manifest) -> str:
    """What was not known when images were held out: which of them two collections have."""
    shown = {SOURCES[entry.source].about.image_collection for entry in manifest.sources}
    if manifest.held_out is None or manifest.held_out.image_data or SHARED_IMAGES.collection not in shown:
        return ""
    titles = f"{SHARED_IMAGES.collection.title} and {SHARED_IMAGES.declared.collection.title}"
    return f"; an image of both {titles} counts as two without {SHARED_IMAGES.file.path}"


def _built_table(manifest: Manifest, done: list[Done]) -> Table:
    """Records, pairs, seconds and raw megabytes a second, per source."""
    title = Text(printable(manifest.name), style="table.title")
    table = Table("source", title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("records", "expected", "pairs", "seconds", "MB/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in done:
        entry = one.result.entry
        num_bytes = sum({file.path: file.bytes for file in entry.inputs}.values())
        table.add_row(
            entry.name,
            f"{entry.conversations:,}",
            expected(entry),
            f"{entry.pairs:,}",
            f"{one.seconds:.1f}",
            "reused" if one.result.reused else f"{num_bytes / 1e6 / max(one.seconds, 1e-9):,.0f}",
        )
    table.add_section()
    table.add_row("all", f"{manifest.conversations:,}", "", f"{manifest.pairs:,}")
    return table


def expected(entry: SourceEntry) -> str:
    """How the count compares with what the recipe expects."""
    if entry.expect is None:
        return ""
    difference = entry.conversations - entry.expect.count
    return "equal" if difference == 0 else f"{difference:+,}"
