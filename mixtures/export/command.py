"""`mix export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mix665k.mixtures.options import MixtureFolder, Source
from mix665k.schemas.terminal import say

Form = Annotated[
    Literal["llava", "messages", "positions", "ids", "hashes"],
    typer.Option(
        "--format",
        help="Format of the output: `llava`, LLaVA's own JSON list; `messages`, rows of `messages` and `images`, as "
        "TRL has; `positions`, `ids`, `hashes`, a line for each record, by which `mix select` finds them again.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        help="Where to write: a file, .json for llava, .parquet or .jsonl for messages, .txt or .txt.gz for the others."
    ),
]
Of = Annotated[
    Path | None,
    typer.Option(
        help="With --format positions: whose rows are counted, the mixture that this one was selected from or the "
        "published file; this mixture's own by default.",
    ),
]
ImageToken = Annotated[
    Literal["keep", "drop"],
    typer.Option(
        help="With messages: keep `<image>` where it is in the text, or drop it, "
        "for trainers that put a placeholder of their own in front, as TRL does."
    ),
]


def export(
    mixture: MixtureFolder,
    *,
    form: Form,
    out: Out,
    source: Source = None,
    image_token: ImageToken = "drop",
    of: Of = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is in the way: a file of this name.")
    ] = False,
) -> None:
    """Write a mixture as one file: for another trainer, or for others to select the same records."""
    if of is not None and form != "positions":
        raise typer.BadParameter("goes with --format positions", param_hint="--of")
    from mix665k.mixtures.export.export import ExportRequest
    from mix665k.mixtures.export.export import export as export_mixture
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.terminal import bar_on_stderr

    request = ExportRequest(
        form=form,
        out=out,
        sources=tuple(source or ()),
        image_token=image_token,
        overwrite=overwrite,
        of=of,
    )
    with bar_on_stderr("writing") as advance:
        written = export_mixture(Mixture.open(mixture), request, advance=advance)
    say(f"wrote {out}, {written:,} records")
