"""`mix build`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mix665k.mixtures.options import (
    ALL_CORES,
    Address,
    CommercialOnly,
    Engine,
    ExcludeSource,
    Jobs,
    OutputFormat,
    Plugin,
    Source,
    recipe_names,
    workers,
)
from mix665k.schemas.manifest import MANIFEST
from mix665k.schemas.terminal import open_console, say, say_json

if TYPE_CHECKING:
    from mix665k.mixtures.build.plan import Plan

Recipe = Annotated[
    str, typer.Argument(help="A recipe's path, or the name of a shipped one.", autocompletion=recipe_names)
]
DrawsFrom = Annotated[
    Path | None,
    typer.Option(
        help="File in LLaVA's form to take the ids from, instead of drawing them; sources without a draw are built "
        "whole. For the records that a file names, see `mix select`.",
        dir_okay=False,
    ),
]


def _refuse(value: str | None) -> None:
    if value is not None:
        raise typer.BadParameter(
            "took the ids of draws only and built every other source whole; build without it and take the records a "
            "file names by `mix select MIXTURE --by FILE --out DIR`, or pass --draws-from FILE for draws alone"
        )


IdsFrom = Annotated[str | None, typer.Option("--ids-from", hidden=True, callback=_refuse)]
"""What `--draws-from` was called when it was taken for a selection of records."""
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a value, such as sources.vg.steps.sample.count=1000 or seed=7; repeat."),
]
Tokenizer = Annotated[
    str | None, typer.Option(help="Tokenizer, by Hub name or folder: use it instead of the recipe's.")
]
Fraction = Annotated[
    float | None,
    typer.Option(help="Build so large a part of each source, such as 0.1; always the same records."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is in the way: another mixture, never other files.")
]


def build(
    recipe: Recipe,
    *,
    raw: Annotated[Path, typer.Option(help="Folder with the raw files.")],
    out: Annotated[Path, typer.Option(help="Where to write: a folder.", file_okay=False)],
    source: Source = None,
    exclude_source: ExcludeSource = None,
    commercial_only: CommercialOnly = False,
    sets: Sets = None,
    fraction: Fraction = None,
    plugin: Plugin = None,
    limit: Annotated[
        int | None, typer.Option(help="Take the first N: conversations of each source, before its steps.")
    ] = None,
    tokenizer: Tokenizer = None,
    draws_from: DrawsFrom = None,
    ids_from: IdsFrom = None,  # noqa: ARG001, refused
    images: Annotated[Path | None, typer.Option(help="Folder with the images: check that every image exists.")] = None,
    on_missing_image: Annotated[Literal["fail", "drop"], typer.Option(help="With --images.")] = "fail",
    on_bad_record: Annotated[Literal["fail", "drop"], typer.Option(help="What to do with a bad raw record.")] = "fail",
    jobs: Jobs = ALL_CORES,
    engine: Engine = "local",
    address: Address = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Dry run: resolve and check everything, build nothing.")
    ] = False,
    overwrite: Overwrite = False,
    output: OutputFormat = "table",
) -> None:
    """Build a mixture from raw annotation files."""
    if on_missing_image == "drop" and images is None:
        raise typer.BadParameter("goes with --images", param_hint="--on-missing-image")
    import mix665k.builders  # noqa: F401, registers sources and steps
    from mix665k.mixtures.build.plan import Options, make_plan

    options = Options(
        raw=raw,
        out=out,
        sources=tuple(source or ()),
        limit=limit,
        tokenizer=tokenizer,
        draws_from=draws_from,
        images=images,
        on_missing_image=on_missing_image,
        on_bad_record=on_bad_record,
        exclude_source=tuple(exclude_source or ()),
        commercial_only=commercial_only,
        settings=tuple(sets or ()),
        fraction=fraction,
        plugins=tuple(plugin or ()),
    )
    plan = make_plan(recipe, options)
    as_json = output == "json"
    if dry_run and as_json:
        say_json(_plan_document(plan))
    else:
        for line in _plan_lines(plan, dry_run=dry_run):
            say(line, err=as_json)
    if dry_run:
        return
    from mix665k.mixtures.build.display import build_progress, show_result
    from mix665k.mixtures.build.run import build as build_mixture

    who = workers(jobs, engine=engine, address=address)
    with build_progress(plan, console=open_console(stderr=True)) as progress:
        manifest, results = build_mixture(plan, jobs=who, overwrite=overwrite, listener=progress)
    if as_json:
        say_json((out / MANIFEST).read_bytes())
        return
    show_result(open_console(), manifest, results)
    say(f"wrote {out}, row hash {manifest.row_hash[:16]}")


def _plan_lines(plan: "Plan", *, dry_run: bool) -> Iterator[str]:
    """What a build leaves out, draws and runs; all that it resolved where it ends with that."""
    yield from plan.selection.lines()
    yield from plan.draw_lines()
    for used in plan.plugins():
        yield f"plugin {used.name}, {used.version or f'sha256 {used.sha256[:16]}'}: {', '.join(used.sources)}"
    if dry_run:
        for one in plan.extends:
            yield f"extends {one.recipe}, sha256 {one.sha256[:16]}"
        for line in plan.changes:
            yield f"  {line}"
        yield f"{plan.recipe.name}: {len(plan.sources)} sources, all files there; nothing built"


def _plan_document(plan: "Plan") -> str:
    """What a dry run found, as JSON."""
    import msgspec

    content = {
        "recipe": plan.recipe.name,
        "sources": [bound.block.label for bound in plan.sources],
        "notes": [line.strip() for line in _plan_lines(plan, dry_run=True)],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
