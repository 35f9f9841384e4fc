"""Options that several commands share."""

from typing import Annotated, Literal

import typer

Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes to use; all cores by default.")]
Format = Annotated[Literal["table", "json"], typer.Option("--format", help="Tables to read, or one JSON document.")]
ExcludeSource = Annotated[
    list[str] | None, typer.Option("--exclude-source", help="Leave this source out; may be repeated.")
]
CommercialOnly = Annotated[
    bool,
    typer.Option(
        "--commercial-only",
        help="Leave out sources whose licence does not clearly allow commercial use of the texts (and of the images, "
        "where they are published); `mix sources` tells.",
    ),
]


def recipe_names(incomplete: str) -> list[str]:
    """Shipped recipes that begin so, for the shell's completion."""
    from mix665k.mixtures.build.recipes import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


def source_names(incomplete: str) -> list[str]:
    """Sources that begin so, for the shell's completion."""
    import mix665k.builders  # noqa: F401, registers sources and steps
    from mix665k.builders.registry import SOURCES

    return sorted(name for name in SOURCES if name.startswith(incomplete))
