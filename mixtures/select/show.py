"""A selection as a person reads it."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mix665k.mixtures.select.report import MAX_SHOWN, SelectionReport, Unresolved
from mix665k.mixtures.terminal import narrow_table, with_total
from mix665k.schemas.errors import brief_line
from mix665k.schemas.terminal import printable

_NUMBERS = ("records", "asked", "exact", "ambiguous", "missing", "repeated", "selected")


def print_selection(console: Console, found: SelectionReport) -> None:
    """Print what the file was read as, a line for each source, and the first entries that name no one record."""
    console.print(Text(f"{printable(found.file)}: {found.read_as}"), soft_wrap=True)
    console.print(Text(f"matched {found.method}", style="dim"), soft_wrap=True)
    if found.positions:
        console.print(Text(found.positions, style="dim"), soft_wrap=True)
    numbers = [name for name in _NUMBERS if name != "repeated" or found.total.repeated]
    table = narrow_table("", "source", numbers=tuple(numbers))
    table.title = None
    table.columns[0].no_wrap = True
    for one in with_total(found.sources, found.total):
        counts = [getattr(one, name) for name in numbers]
        table.add_row(one.name, *(f"{count:,}" if count else "" for count in counts))
    console.print(table)
    if found.total.by:
        told = ", ".join(f"{by} {count:,}" for by, count in found.total.by.items())
        console.print(Text(f"exact ones identified by: {told}"), soft_wrap=True)
    for what, entries in (("may be several records", found.ambiguous), ("not in the mixture", found.missing)):
        _print_entries(console, what, entries)


def _print_entries(console: Console, what: str, entries: list[Unresolved]) -> None:
    if not entries:
        return
    console.print(Text(f"{what}: {len(entries):,}", style="yellow"))
    for one in entries[:MAX_SHOWN]:
        ids = ", ".join(one.candidates[:MAX_SHOWN])
        more = f", … {len(one.candidates) - MAX_SHOWN:,} more" if len(one.candidates) > MAX_SHOWN else ""
        line = brief_line(f"{one.where} {one.says}{f': {ids}{more}' if ids else ''}")
        console.print(Padding(Text(printable(line)), (0, 0, 0, 2)))
    if len(entries) > MAX_SHOWN:
        console.print(f"  … and {len(entries) - MAX_SHOWN:,} more", style="dim", highlight=False)
