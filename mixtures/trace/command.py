"""`mix trace`."""

from pathlib import Path
from typing import Annotated

import typer

from mix665k.mixtures.options import MixtureFolder, OutputFormat, Plugin
from mix665k.schemas.terminal import open_console, say_json


def trace(
    mixture: MixtureFolder,
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="A record's id, or its reference id where only one record has it.")
    ],
    *,
    raw: Annotated[Path | None, typer.Option(help="Folder with the raw files: show the raw records too.")] = None,
    plugin: Plugin = None,
    output: OutputFormat = "table",
) -> None:
    """Show where each pair of a record came from: raw file, raw id and record, and the steps applied."""
    from mix665k.builders.plugins import use_plugins
    from mix665k.mixtures.terminal import bar_on_stderr
    from mix665k.mixtures.trace.lineage import require_traced, to_json
    from mix665k.mixtures.trace.lineage import trace as trace_record

    use_plugins(plugin or ())
    with bar_on_stderr("tracing") as advance:
        found = trace_record(mixture, identifier, raw, advance=advance)
    if output == "json":
        say_json(to_json(found))
    else:
        from mix665k.mixtures.trace.tables import print_trace

        print_trace(open_console(), found)
    require_traced(found)
