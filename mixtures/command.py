"""The commands of the modules beside it: `mix doctor`, `mix sources`, `mix steps`, `mix synth`.

Apart from those modules, so that `mix --help` imports none of what they need.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mix665k.mixtures.options import (
    ALL_CORES,
    Address,
    Engine,
    ExcludeSource,
    Jobs,
    OutputFormat,
    Plugin,
    Source,
    source_names,
    workers,
)
from mix665k.schemas.addresses import named_address
from mix665k.schemas.terminal import open_console, say, say_json


def steps(
    name: Annotated[str | None, typer.Argument(help="One source or step.")] = None,
    *,
    plugin: Plugin = None,
    output: OutputFormat = "table",
) -> None:
    """List sources and steps with their parameters, as a recipe can use them."""
    from mix665k.builders.plugins import use_plugins

    use_plugins(plugin or ())
    if output == "json":
        from mix665k.mixtures.listing import list_functions, to_json

        say_json(to_json(list_functions(name)))
    else:
        from mix665k.mixtures.catalogue import describe_functions

        describe_functions(open_console(), name)


def sources(
    name: Annotated[str | None, typer.Argument(help="One source.", autocompletion=source_names)] = None,
    raw: Annotated[
        Path | None, typer.Option(help="Folder with the raw files: read each, and say if it looks right.")
    ] = None,
    *,
    plugin: Plugin = None,
    output: OutputFormat = "table",
) -> None:
    """List the sources: their files, where to get them, licences and counts."""
    from mix665k.builders.plugins import use_plugins

    use_plugins(plugin or ())
    if output == "json":
        from mix665k.mixtures.listing import list_sources, to_json

        listed = list_sources(name, raw)
        say_json(to_json(listed))
        damaged = not all(source.usable for source in listed)
    else:
        from mix665k.mixtures.catalogue import describe_sources

        damaged = describe_sources(open_console(), name, raw) > 0
    if damaged:
        raise typer.Exit(1)


def doctor(
    *,
    raw: Annotated[Path | None, typer.Option(help="Folder with the raw files: look which are there.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Tokenizer, by Hub name or folder: the full recipe's by default.")
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(help="Address, such as s3://bucket/raw: look whether it may be listed; may be repeated."),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    for_: Annotated[
        Literal["build", "train", "eval"] | None,
        typer.Option("--for", help="Check only what this task needs; exit code 1 if anything is lacking."),
    ] = None,
    output: OutputFormat = "table",
) -> None:
    """Check your environment: Python, memory, disk, libraries, GPU, tokenizer, Hub login, raw files, addresses.

    No downloads.
    """
    import msgspec

    from mix665k.mixtures.doctor import examine, needed_for, print_checks

    who = workers(1, engine=engine, address=address)
    checks = examine(
        raw=raw,
        tokenizer=tokenizer,
        addresses=[named_address(one) for one in url or ()],
        cluster=None if isinstance(who, int) else who,
    )
    checks = needed_for(for_, checks) if for_ else checks
    if output == "json":
        say_json(msgspec.json.format(msgspec.json.encode(checks), indent=2))
    else:
        print_checks(open_console(), checks)
    refused = ("lacking", "wrong") if for_ else ("wrong",)
    if any(check.verdict in refused for check in checks):
        raise typer.Exit(1)


def synth(
    *,
    out: Annotated[Path, typer.Option(help="Where to write: a folder.", file_okay=False)],
    scale: Annotated[float, typer.Option(help="Size, as a share of the real datasets.")],
    seed: Annotated[int, typer.Option(help="Seed of the draws: other seeds give other words.")] = 0,
    source: Source = None,
    exclude_source: ExcludeSource = None,
    draw_images: Annotated[
        bool,
        typer.Option(
            "--draw-images",
            help="Draw a small JPEG of coloured shapes for each image; the raw files say what it shows.",
        ),
    ] = False,
    jobs: Jobs = ALL_CORES,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace what is in the way: write into a folder that holds something else."),
    ] = False,
) -> None:
    """Make up raw files of every source, in their publishers' exact form, to try things on."""
    from mix665k.mixtures.synth import synthesize

    synthesize(
        out,
        scale=scale,
        seed=seed,
        sources=source or (),
        exclude=exclude_source or (),
        images=draw_images,
        jobs=jobs,
        overwrite=overwrite,
        console=open_console(stderr=True),
    )
    say(f"wrote {out}")
