"""Commands that look at a mixture: what is in it, whether it is right, where it came from."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mixtures.commands.options import Format


def inspect_(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder, or a JSON file in LLaVA's own form.")],
    source: Annotated[list[str] | None, typer.Option(help="Look at this source only; may be repeated.")] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Print N records of each source, always the same ones (a draw of seed 0).")
    ] = 0,
    output: Format = "table",
    tokenizer: Annotated[
        str | None, typer.Option(help="Hub name or folder: count tokens too, 576 per image, template v1.")
    ] = None,
) -> None:
    """Check every record, then show counts, lengths, prompts, what was left out, and how it compares with the paper."""
    from mixtures.inspector import Request, inspect, require_sound
    from mixtures.progress import progress_bar

    with progress_bar(Console(stderr=True), what="looking") as advance:
        found = inspect(mixture, Request(tuple(source or ()), sample, tokenizer), advance=advance)
    if output == "json":
        from mixtures.inspection import to_json

        typer.echo(to_json(found))
    else:
        from mixtures.report import print_inspection

        print_inspection(Console(), found)
    require_sound(found)
