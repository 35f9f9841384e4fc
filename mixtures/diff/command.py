"""`mix diff`."""

from pathlib import Path
from typing import Annotated

import typer

from mix665k.mixtures.options import OutputFormat, Source
from mix665k.schemas.terminal import open_console, say_json


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A mixture's folder, or a JSON file in LLaVA's own form.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="What to compare it with: another of these.")],
    *,
    source: Source = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Show the first N differences of each source, of different kinds if there are.")
    ] = 3,
    output: OutputFormat = "table",
) -> None:
    """Compare two mixtures, or a mixture with a published file, record by record.

    Exit code 0 if both have the same records in the same order, 1 if not.
    """
    from mix665k.mixtures.diff.compare import compare
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.terminal import bar_on_stderr

    with bar_on_stderr("comparing") as advance:
        comparison = compare(Mixture.open(a), Mixture.open(b), sources=source or (), examples=examples, advance=advance)
    if output == "json":
        from mix665k.mixtures.diff.comparison import to_json

        say_json(to_json(comparison))
    else:
        from mix665k.mixtures.diff.tables import print_comparison

        print_comparison(open_console(), comparison)
    if not comparison.equal:
        raise typer.Exit(1)
