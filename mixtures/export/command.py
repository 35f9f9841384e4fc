"""`mix export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mix665k.mixtures.options import MixtureFolder, Source
from mix665k.schemas.terminal import say

Form = Annotated[
    Literal["llava", "messages"],
    typer.Option(
        "--format",
        help="Format of the output: `llava`, LLaVA's own JSON list; `messages`, rows of `messages` and `images`, as "
        "TRL has.",
    ),
]
Out = Annotated[Path, typer.Option(help="Where to write: a file, .json for llava, .parquet or .jsonl for messages.")]
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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is in the way: a file of this name.")
    ] = False,
) -> None:
    """Write a mixture as one file for another trainer."""
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
    )
    with bar_on_stderr("writing") as advance:
        written = export_mixture(Mixture.open(mixture), request, advance=advance)
    say(f"wrote {out}, {written:,} records")
