"""What a terminal shows: tables, texts that cannot move its cursor, bars for work measured in shares of a whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mix665k.schemas.errors import brief_line
from mix665k.schemas.manifest import NOT_FOUND, FunnelStep, LeftOut
from mix665k.schemas.terminal import open_console, printable, text_column

ALL = "all"
"""What reports call the sum of all sources."""

T = TypeVar("T")


def narrow_table(title: str, *columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """A table whose first columns are text and whose last are numbers."""
    table = Table(*columns, title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def left_out_table(sources: Mapping[str, Sequence[LeftOut]]) -> Table:
    """What was left out of each source, by step and reason."""
    table = narrow_table("left out while building", "source", "step", "reason", "kind", numbers=("records", "pairs"))
    for name, rows in sources.items():
        for k, row in enumerate(rows):
            texts = ("" if k else name, row.step, Text(printable(row.reason)), row.kind)
            table.add_row(*texts, *(f"{count:,}" if count else "" for count in (row.conversations, row.pairs)))
    return table


def noted_table(sources: Mapping[str, Sequence[FunnelStep]]) -> Table:
    """What was noticed of each source that changed no number, with up to five examples of a bad record."""
    table = narrow_table("noted while building", "source", "step", "what", "for example", numbers=("times",))
    for name, funnel in sources.items():
        notes = [(step, what, count) for step in funnel for what, count in step.noted.items() if what != NOT_FOUND]
        for k, (step, what, count) in enumerate(notes):
            shown = step.examples.get(what, [])[: 5 if what.startswith("bad record") else 1]
            example = "\n".join(brief_line(text) for text in shown)
            table.add_row("" if k else name, step.step, Text(printable(what)), Text(example), f"{count:,}")
    return table


def with_total(sources: Sequence[T], total: T) -> list[T]:
    """The sources, and behind them their total where there are several."""
    return [*sources, total] if len(sources) > 1 else list(sources)


def changed_options(overrides: Mapping[str, Any]) -> str:
    """The options that changed a recipe; of what is longer than a value or a few names, where it stands."""
    return ", ".join(
        f"{key} (see manifest.json)"
        if any(isinstance(part, dict) for part in (value if isinstance(value, list) else [value]))
        else f"{key} {value}"
        for key, value in overrides.items()
    )


def on_one_line(text: str) -> str:
    """A text on one line, as far as the terminal allows."""
    return printable(text).replace("\n", "⏎")


Advance = Callable[[float], None]
"""Hears which part of the work, of 1, was done since its last call."""
Bar = Callable[[str], AbstractContextManager[Advance]]
"""A bar for one part of the work, by what that does."""


@contextmanager
def progress_bar(console: Console, *, what: str) -> Iterator[Advance]:
    """A function that moves the bar on by a share of the whole; nothing is shown where there is no terminal."""
    columns = (
        text_column("{task.description}"),
        BarColumn(bar_width=30),
        text_column("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.advance(task, share)


def no_progress(share: float) -> None:
    """Show nothing: for callers that want no progress."""


@contextmanager
def no_bar(what: str) -> Iterator[Advance]:  # noqa: ARG001, a `Bar`
    """Show no bar."""
    yield no_progress


def bar_on_stderr(what: str) -> AbstractContextManager[Advance]:
    """A bar on stderr for one part of a command's work, as a `Bar`."""
    return progress_bar(open_console(stderr=True), what=what)
