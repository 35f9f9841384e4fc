"""A verification as a person reads it."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mix665k.mixtures.terminal import changed_options, narrow_table
from mix665k.mixtures.verify.verification import Check, Outcome, Verification
from mix665k.schemas.terminal import printable

_STYLES: dict[Outcome, str] = {
    "ok": "green",
    "failed": "bold red",
    "differs": "yellow",
    "not checked": "red",
    "not applicable": "dim",
}


def print_verification(console: Console, found: Verification) -> None:
    """Print a line for each check, then what those have to tell that are not ok."""
    console.print(Text(printable(found.name or "no readable manifest"), style="bold"))
    console.print(Text(found.path, style="dim"), soft_wrap=True)
    if found.row_hash:
        console.print(Text(f"row hash {found.row_hash[:16]}", style="dim"))
    if found.overrides:
        changed = changed_options(found.overrides)
        console.print(Text(f"built with options that change the recipe: {changed}", style="yellow"))
    console.print()
    table = narrow_table("", "check", "result", "seen")
    table.title = None
    for check in found.checks:
        table.add_row(check.name, Text(check.outcome, style=_STYLES[check.outcome]), check.seen)
    console.print(table)
    for check in found.checks:
        if check.lines.count:
            _print_lines(console, check)


def _print_lines(console: Console, check: Check) -> None:
    lines = check.lines
    console.print(Text.assemble((check.name, "bold"), ": ", (check.outcome, _STYLES[check.outcome])))
    for line in lines.first:
        console.print(Padding(Text(printable(line)), (0, 0, 0, 2)))
    if more := lines.count - len(lines.first):
        console.print(f"  … and {more:,} more", style="dim", highlight=False)
    console.print()
