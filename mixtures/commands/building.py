"""Commands that build a mixture, and what goes with it."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from mix665k.mixtures.commands.options import CommercialOnly, ExcludeSource, Format, Jobs, recipe_names, source_names

Out = Annotated[Path, typer.Option(help="Folder to write.", file_okay=False)]
Raw = Annotated[Path, typer.Option(help="Folder with the raw files.")]
RecipeName = Annotated[
    str, typer.Argument(help="A recipe's path, or the name of a shipped one.", autocompletion=recipe_names)
]
Limit = Annotated[int | None, typer.Option(help="Take the first N conversations of each source, before its steps.")]
IdsFrom = Annotated[
    Path | None,
    typer.Option(help="Take the ids of this file in LLaVA's form instead of drawing them.", dir_okay=False),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Build into a folder that holds something else.")]


def build(
    recipe: RecipeName,
    raw: Raw,
    out: Out,
    only: Annotated[list[str] | None, typer.Option(help="Build this source only; may be repeated.")] = None,
    limit: Limit = None,
    check: Annotated[bool, typer.Option("--check", help="Resolve and check everything, build nothing.")] = False,
    jobs: Jobs = None,
    tokenizer: Annotated[str | None, typer.Option(help="Hub name or folder, instead of the recipe's.")] = None,
    ids_from: IdsFrom = None,
    images: Annotated[Path | None, typer.Option(help="Check that every image is there.")] = None,
    on_missing_image: Annotated[Literal["fail", "drop"], typer.Option(help="With --images.")] = "fail",
    on_bad_record: Annotated[Literal["fail", "drop"], typer.Option(help="What to do with a bad raw record.")] = "fail",
    exclude_source: ExcludeSource = None,
    commercial_only: CommercialOnly = False,
    overwrite: Overwrite = False,
) -> None:
    """Build a mixture from raw annotation files."""
    if on_missing_image == "drop" and images is None:
        raise typer.BadParameter("goes with --images", param_hint="--on-missing-image")
    import mix665k.builders  # noqa: F401, registers sources and steps
    from mix665k.mixtures.build.plan import Options, make_plan

    options = Options(raw, out, tuple(only or ()), limit, tokenizer, ids_from, images, on_missing_image, on_bad_record)
    options = options._replace(exclude_source=tuple(exclude_source or ()), commercial_only=commercial_only)
    plan = make_plan(recipe, options)
    for line in plan.selection.lines():
        typer.echo(line)
    if check:
        typer.echo(f"{plan.recipe.name}: {len(plan.sources)} sources, all files there; nothing built")
        return
    from mix665k.mixtures.build.display import build_progress, show_result
    from mix665k.mixtures.build.run import build as build_mixture

    with build_progress(plan, console=Console(stderr=True)) as progress:
        manifest, results = build_mixture(
            plan, jobs=jobs or os.cpu_count() or 1, overwrite=overwrite, listener=progress
        )
    show_result(Console(), manifest, results)
    typer.echo(f"wrote {out}, row hash {manifest.row_hash[:16]}")


def steps(name: Annotated[str | None, typer.Argument(help="One source or step.")] = None) -> None:
    """List sources and steps with their parameters, as a recipe can use them."""
    from mix665k.mixtures.describe import describe_functions

    describe_functions(Console(), name)


def sources(
    name: Annotated[str | None, typer.Argument(help="One source.", autocompletion=source_names)] = None,
    raw: Annotated[
        Path | None, typer.Option(help="Read what is there of its files, and say if it looks right.")
    ] = None,
) -> None:
    """List the sources: their files, where to get them, licences and counts."""
    from mix665k.mixtures.catalogue import describe_sources

    if describe_sources(Console(), name, raw):
        raise typer.Exit(1)


def doctor(
    raw: Annotated[Path | None, typer.Option(help="Look for the raw files here.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Hub name or folder; the full recipe's by default.")] = None,
    output: Format = "table",
) -> None:
    """Look at this machine: Python, memory, disk, libraries, GPU, tokenizer, hub login, raw files. Fetches nothing."""
    import msgspec

    from mix665k.mixtures.doctor import examine, print_checks

    checks = examine(raw=raw, tokenizer=tokenizer)
    if output == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(checks), indent=2))
    else:
        print_checks(Console(), checks)
    if any(check.verdict == "wrong" for check in checks):
        raise typer.Exit(1)


def synth(
    out: Out,
    scale: Annotated[float, typer.Option(help="Size, as a share of the real data sets.")],
    seed: Annotated[int, typer.Option(help="Other seeds give other words.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="This source only; may be repeated.")] = None,
    images: Annotated[bool, typer.Option("--images", help="Draw a small JPEG for each image named.")] = False,
    jobs: Jobs = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder that holds something else.")
    ] = False,
) -> None:
    """Make up raw files of every source, in their publishers' exact form, to try things on."""
    from mix665k.mixtures.synth import synthesize

    synthesize(
        out,
        scale=scale,
        seed=seed,
        only=only or (),
        images=images,
        jobs=jobs or os.cpu_count() or 1,
        overwrite=overwrite,
        console=Console(stderr=True),
    )
    typer.echo(f"wrote {out}")


def export(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder.")],
    form: Annotated[
        Literal["llava", "messages"],
        typer.Option(
            "--format", help="`llava`: LLaVA's own JSON list. `messages`: `messages` and `images`, as TRL has."
        ),
    ],
    out: Annotated[Path, typer.Option(help="File to write: .json for llava, .parquet or .jsonl for messages.")],
    source: Annotated[list[str] | None, typer.Option(help="Export this source only; may be repeated.")] = None,
    image_token: Annotated[
        Literal["keep", "drop"],
        typer.Option(
            help="With messages: keep `<image>` where it stands in the text, or drop it, "
            "for trainers that put a placeholder of their own in front, as TRL does."
        ),
    ] = "drop",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")] = False,
) -> None:
    """Write a mixture as one file for another trainer."""
    from mix665k.mixtures.export.export import Export
    from mix665k.mixtures.export.export import export as export_mixture
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.progress import progress_bar

    request = Export(form, out, tuple(source or ()), image_token, overwrite)
    with progress_bar(Console(stderr=True), what="writing") as advance:
        written = export_mixture(Mixture.open(mixture), request, advance=advance)
    typer.echo(f"wrote {out}, {written:,} records")
