"""A bar for work that is told in shares of the whole."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[float], None]
"""Hears which part of the work, of 1, was done since its last call."""
Bar = Callable[[str], AbstractContextManager[Advance]]
"""A bar for one part of the work, by what that does."""


@contextmanager
def progress_bar(console: Console, *, what: str) -> Iterator[Advance]:
    """A function that moves the bar on by a share of the whole; nothing is shown where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
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
    return progress_bar(Console(stderr=True), what=what)
