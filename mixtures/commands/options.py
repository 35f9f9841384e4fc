"""Options that several commands share."""

from typing import Annotated, Literal

import typer

Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes to use; all cores by default.")]
Format = Annotated[Literal["table", "json"], typer.Option("--format", help="Tables to read, or one JSON document.")]
