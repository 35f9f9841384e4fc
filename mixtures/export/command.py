"""`mix export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mix665k.mixtures.options import MixtureFolder, Source
from mix665k.schemas.terminal import say

Form = Annotated[
    Literal["llava", "messages", "webdataset", "arrow", "positions", "ids", "hashes"],
    typer.Option(
        "--format",
        help="Format of the output: `llava`, LLaVA's own JSON list; `messages`, rows of `messages` and `images`, as "
        "TRL has; `webdataset`, tar files of samples; `arrow`, the rows of `messages` with the pictures, as "
        "`datasets.load_from_disk` reads them; `positions`, `ids`, `hashes`, a line for each record, by which "
        "`mix select` finds them again.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        help="Where to write: a folder for webdataset and arrow, else a file, .json for llava, .parquet or .jsonl for "
        "messages, .txt or .txt.gz for the others."
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
        help="With messages and arrow: keep `<image>` where it is in the text, or drop it, "
        "for trainers that put a placeholder of their own in front, as TRL does; those of several images stay."
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(help="Folder with the images: for webdataset and arrow, which hold the pictures, byte for byte."),
]
ShardSize = Annotated[
    int | None, typer.Option(min=1, show_default="500", help="With webdataset and arrow: megabytes of a full shard.")
]
ShardRecords = Annotated[int | None, typer.Option(min=1, help="With webdataset: records of a full shard.")]


def export(
    mixture: MixtureFolder,
    *,
    form: Form,
    out: Out,
    source: Source = None,
    image_token: ImageToken = "drop",
    of: Of = None,
    images: Images = None,
    on_missing_image: Annotated[Literal["fail", "drop"], typer.Option(help="With --images.")] = "fail",
    shard_size: ShardSize = None,
    shard_records: ShardRecords = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is in the way: a file of this name.")
    ] = False,
) -> None:
    """Write a mixture for another trainer, or for others to select the same records."""
    for option, given, forms in (
        ("--of", of, ("positions",)),
        ("--images", images, ("webdataset", "arrow")),
        ("--shard-size", shard_size, ("webdataset", "arrow")),
        ("--shard-records", shard_records, ("webdataset",)),
    ):
        if given is not None and form not in forms:
            raise typer.BadParameter(f"goes with --format {' or '.join(forms)}", param_hint=option)
    if on_missing_image == "drop" and images is None:
        raise typer.BadParameter("goes with --images", param_hint="--on-missing-image")
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.terminal import bar_on_stderr

    opened, sources = Mixture.open(mixture), tuple(source or ())
    if form == "webdataset" or form == "arrow":
        from mix665k.mixtures.export.folders import FolderRequest, export_folder

        if overwrite:
            raise typer.BadParameter("replaces files only, remove the folder first", param_hint="--overwrite")
        to_folder = FolderRequest(
            form=form,
            out=out,
            images=images,
            sources=sources,
            image_token=image_token,
            on_missing_image=on_missing_image,
            shard_bytes=1_000_000 * (shard_size or 500),
            shard_records=shard_records,
        )
        with bar_on_stderr("writing") as advance:
            found = export_folder(opened, to_folder, advance=advance)
        dropped = f", {found.left_out:,} left out, whose images are missing" if found.left_out else ""
        say(f"wrote {out}, {found.records:,} records in {found.files:,} files{dropped}")
        return
    from mix665k.mixtures.export.export import ExportRequest
    from mix665k.mixtures.export.export import export as export_mixture

    request = ExportRequest(form=form, out=out, sources=sources, image_token=image_token, overwrite=overwrite, of=of)
    with bar_on_stderr("writing") as advance:
        written = export_mixture(opened, request, advance=advance)
    say(f"wrote {out}, {written:,} records")
