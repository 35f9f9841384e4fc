"""Options that several commands share. One name is one thing: a test holds type and meaning over `mix` and `train`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from mix665k.mixtures.engine.tasks import OnRay


def recipe_names(incomplete: str) -> list[str]:
    """Shipped recipes that begin so, for the shell's completion."""
    from mix665k.mixtures.storage.recipes import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


def source_names(incomplete: str) -> list[str]:
    """Sources that begin so, for the shell's completion."""
    import mix665k.builders  # noqa: F401, registers sources and steps
    from mix665k.builders.registry import SOURCES

    return sorted(name for name in SOURCES if name.startswith(incomplete))


def subset_names(incomplete: str) -> list[str]:
    """Published subsets that begin so, for the shell's completion."""
    from mix665k.mixtures.storage.subsets import subset_names as known

    return [name for name in known() if name.startswith(incomplete)]


ALL_CORES = os.cpu_count() or 1
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, show_default="all cores", help="How many at once: processes.")
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Who does the work: processes of this machine, or a Ray cluster."),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: the cluster's head, HOST:PORT or auto; by default that of RAY_ADDRESS, or else a "
        "cluster of this machine alone."
    ),
]


def workers(jobs: int, *, engine: Literal["local", "ray"], address: str | None) -> int | OnRay:
    """Who does the work of a command, by its options; a cluster takes on as much as it has processors."""
    if engine == "local":
        if address is not None:
            raise typer.BadParameter("goes with --engine ray", param_hint="--address")
        return jobs
    return OnRay(address)


OutputFormat = Annotated[
    Literal["table", "json"],
    typer.Option("--format", help="Format of the output: tables to read, or one JSON document."),
]
Source = Annotated[
    list[str] | None,
    typer.Option("--source", help="Only this source, by its label; may be repeated.", autocompletion=source_names),
]
ExcludeSource = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-source", help="All but this source, by its label; may be repeated.", autocompletion=source_names
    ),
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        help="Python file with sources or steps of your own: its code is run; may be repeated.",
        dir_okay=False,
    ),
]
CommercialOnly = Annotated[
    bool,
    typer.Option(
        "--commercial-only",
        help="Leave out sources whose licence does not clearly allow commercial use of the texts (and of the images, "
        "where they are published); `mix sources` lists what each allows.",
    ),
]
MixtureFolder = Annotated[Path, typer.Argument(help="A mixture's folder.")]
MixtureOrFile = Annotated[Path, typer.Argument(help="A mixture's folder, or a JSON file in LLaVA's own form.")]
