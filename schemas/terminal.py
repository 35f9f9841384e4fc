"""What reaches a terminal: texts are shown as they are, and cannot move its cursor or change its colours.

Rich reads `[red]` in a string as a style, `[/]` without one as an error, and passes escape sequences on. What `mix` and
`train` print holds names and texts of other people's data, so no console here reads marks, and every string and `Text`
is cleaned where Rich turns it into characters. Styles are given as `Text`.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import Task, TextColumn
from rich.segment import Segment
from rich.text import Text

_HIDDEN_IN_JSON = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What JSON holds as it is and terminals act on: C1 controls, marks that turn the direction of text, invisible ones."""


class LiteralConsole(Console):
    """A console that shows every text as it is; see `open_console`."""

    def render_str(self, text: str, **options: Any) -> Text:
        """A string, such as a cell of a table, without styles in it."""
        return super().render_str(printable(text), **options | {"markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything that can be printed; a table gets those of its cells here, too."""
        return super().render(cleaned(renderable) if isinstance(renderable, Text) else renderable, options)


class _LiteralColumn(TextColumn):
    """Cleaned before its width is measured: a table takes control characters for none."""

    def render(self, task: Task) -> Text:
        """The text of one bar."""
        return cleaned(super().render(task))


def open_console(*, stderr: bool = False) -> LiteralConsole:
    """The console of a command; no other is made, see `tests/test_project.py`."""
    return LiteralConsole(stderr=stderr, markup=False, emoji=False)


def text_column(shown: str, **options: Any) -> TextColumn:
    """A column of a progress bar whose text is shown as it is."""
    return _LiteralColumn(shown, markup=False, **options)


def cleaned(text: Text) -> Text:
    """The same with its styles; see `printable`."""
    if text.plain.isprintable():
        return text
    shown = text.copy()
    shown.plain = printable(text.plain)  # as long as before, so that styles stay where they are
    return shown


def printable(text: str) -> str:
    """Text of the same length that cannot move the cursor or change colours."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def say(text: str, *, err: bool = False) -> None:
    """Print a line of a command's own words, with names and paths in it."""
    typer.echo(printable(text), err=err)


def say_json(document: str | bytes) -> None:
    """Print a JSON document; what a terminal would act on is escaped, which changes no value in it."""
    text = document.decode() if isinstance(document, bytes) else document
    typer.echo(_HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def say_text(text: str) -> None:
    """Print a text of data or of a model: as it is into a file or pipe, cleaned on a terminal."""
    typer.echo(printable(text) if sys.stdout.isatty() else text)
