"""`mix select`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mix665k.mixtures.options import MixtureFolder, OutputFormat, subset_names
from mix665k.schemas.terminal import open_console, say, say_json

if TYPE_CHECKING:
    from mix665k.mixtures.select.report import SelectionReport

By = Annotated[
    str,
    typer.Option(
        help="File that names the records: full records in LLaVA's form, a list of ids, positions or hashes, or a "
        "table (Parquet, CSV, JSON lines) of any of these with scores; gzip or not. Or a published subset by its name.",
        metavar="FILE",
        autocompletion=subset_names,
    ),
]
Raw = Annotated[
    Path | None, typer.Option(help="Folder with the raw files: where `mix fetch --subset` has put a published subset.")
]
Out = Annotated[Path | None, typer.Option(help="Where to write: a folder. Not needed with --dry-run.", file_okay=False)]
As = Annotated[
    Literal["records", "ids", "positions", "hashes", "table"] | None,
    typer.Option("--as", help="Kind of the file, if its content does not show it."),
]
Base = Annotated[
    int | None, typer.Option(min=0, max=1, help="What positions are counted from, 0 or 1; makes numbers positions.")
]
Rows = Annotated[
    Literal["all", "images"], typer.Option(help="Which rows positions count: all, or those with an image.")
]
Key = Annotated[
    str | None, typer.Option(help="Field or column that names a record: global_id, unique_idx, id, hash and such.")
]
Score = Annotated[str | None, typer.Option(help="Column of scores: `score` by default.")]
Top = Annotated[str | None, typer.Option(help="Keep the highest scores: a share such as 20%, or a number.")]
PerSource = Annotated[bool, typer.Option("--per-source", help="With --top: of each source, not of all.")]
Min = Annotated[float | None, typer.Option("--min", help="Keep scores of at least this.")]
Published = Annotated[
    Path | None,
    typer.Option(
        help="Published file whose rows positions count: its records there are then found by content. Without it "
        "positions are rows of this mixture.",
        dir_okay=False,
    ),
]
OnMissing = Annotated[
    Literal["fail", "drop"], typer.Option(help="What to do with an entry that the mixture does not have.")
]
OnAmbiguous = Annotated[
    Literal["fail", "drop"], typer.Option(help="What to do with an entry that may be several records.")
]


def select(
    mixture: MixtureFolder,
    *,
    by: By,
    raw: Raw = None,
    out: Out = None,
    form: As = None,
    base: Base = None,
    rows: Rows = "all",
    key: Key = None,
    score: Score = None,
    top: Top = None,
    per_source: PerSource = False,
    minimum: Min = None,
    published: Published = None,
    on_missing: OnMissing = "fail",
    on_ambiguous: OnAmbiguous = "fail",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Dry run: find the records, write nothing.")] = False,
    output: OutputFormat = "table",
) -> None:
    """Write the mixture of the records that a file names: by content, then by origin, and never by a guess."""
    if out is None and not dry_run:
        raise typer.BadParameter("name a folder, or pass --dry-run", param_hint="--out")
    import msgspec

    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.select.derived import require_room
    from mix665k.mixtures.select.report import require_resolved
    from mix665k.mixtures.select.run import files_of, find, write_selection
    from mix665k.mixtures.terminal import bar_on_stderr
    from mix665k.schemas.manifest import SELECTION
    from mix665k.schemas.recipe import Select

    numbers = {"base": base, "top": top, "per_source": per_source, "min": minimum}
    ways = {"rows": rows, "key": key, "score": score, "on_missing": on_missing, "on_ambiguous": on_ambiguous}
    asked = msgspec.convert({"by": by, "as": form} | numbers | ways, Select)
    chosen = Mixture.open(mixture)
    if out is not None:
        require_room(chosen.path, chosen.require_manifest(), out, step=SELECTION, option="--out")
    by_name = by in subset_names("") and not Path(by).exists()
    files, asked = files_of(asked, raw if by_name else None)
    found = find(chosen, files._replace(published=published), asked, bar=bar_on_stderr)
    report = found.report
    try:
        require_resolved(report, asked)
        if out is not None and not dry_run:
            report = write_selection(chosen, found, out, bar=bar_on_stderr)
    finally:
        _print_report(report, output=output)


def _print_report(report: "SelectionReport", *, output: str) -> None:
    if output == "json":
        from mix665k.mixtures.select.report import to_json

        say_json(to_json(report))
        return
    from mix665k.mixtures.select.show import print_selection

    print_selection(open_console(), report)
    if report.row_hash:
        say(f"wrote {report.out}, {report.total.selected:,} records, row hash {report.row_hash[:16]}")
