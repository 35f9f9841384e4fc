"""`mix fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from mix665k.mixtures.options import ExcludeSource, OutputFormat, Plugin, Source, subset_names

Raw = Annotated[
    Path | None, typer.Option(help="Folder with the raw files: download them, for `mix build --raw`.", file_okay=False)
]
Images = Annotated[
    Path | None,
    typer.Option(help="Folder with the images: download them, for `train --images`.", file_okay=False),
]
Mixture = Annotated[Path | None, typer.Option(help="A mixture's folder: ask only for the covers that it names.")]
Subset = Annotated[
    list[str] | None,
    typer.Option(
        help="Published subset of the mixture, for `mix select --by NAME`: icons-133k, ards-200k or presel-15; may be "
        "repeated. Without --source nothing else is fetched.",
        autocompletion=subset_names,
    ),
]
Mirror = Annotated[
    str | None, typer.Option(help="Take everything from here: BASE/<folder>/<file name>, as --dry-run lists them.")
]
KeepArchives = Annotated[bool, typer.Option("--keep-archives", help="Keep what has been unpacked.")]
AcceptChanged = Annotated[
    bool, typer.Option("--accept-changed", help="Take files that are not as they were known, and note what they are.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Dry run: list what exists and what would be fetched, fetch nothing.")
]


def fetch(
    raw: Raw = None,
    *,
    images: Images = None,
    source: Source = None,
    exclude_source: ExcludeSource = None,
    plugin: Plugin = None,
    subset: Subset = None,
    mixture: Mixture = None,
    mirror: Mirror = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="How many at once: downloads.")] = 4,
    rate: Annotated[float, typer.Option(min=0.01, help="Covers to ask for in a second, at most.")] = 20.0,
    retries: Annotated[int, typer.Option(min=0, help="Tries after a failure, with growing waits.")] = 5,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without a byte, or for a header, that are a failure.")
    ] = 60.0,
    min_rate: Annotated[
        float,
        typer.Option(min=0, help="Bytes a second, over the seconds of --timeout, below which a server has failed."),
    ] = 1000.0,
    keep_archives: KeepArchives = False,
    accept_changed: AcceptChanged = False,
    dry_run: DryRun = False,
    output: OutputFormat = "table",
) -> None:
    """Download raw files and images from their publishers; existing files are verified, partial downloads resumed."""
    if raw is None and images is None:
        raise typer.BadParameter("name a folder for raw files or for images", param_hint="--raw, --images")
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise typer.BadParameter("expected an address that begins with http:// or https://", param_hint="--mirror")
    if subset and raw is None:
        raise typer.BadParameter("goes with --raw", param_hint="--subset")
    from mix665k.builders.plugins import use_plugins
    from mix665k.mixtures.fetch.run import FetchRequest
    from mix665k.mixtures.fetch.show import fetch_and_show
    from mix665k.mixtures.fetch.web import Patience

    use_plugins(plugin or ())
    request = FetchRequest(
        sources=tuple(source or ()),
        exclude=tuple(exclude_source or ()),
        subsets=tuple(subset or ()),
        raw=raw,
        images=images,
        mixture=mixture,
        mirror=mirror,
        jobs=jobs,
        covers_per_second=rate,
        keep_archives=keep_archives,
        accept_changed=accept_changed,
        patience=Patience(retries=retries, silence_s=timeout, bytes_per_s=min_rate),
    )
    fetch_and_show(request, dry_run=dry_run, as_json=output == "json")
