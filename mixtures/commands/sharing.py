"""Commands that bring things from elsewhere, and give them away."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mix665k.mixtures.commands.options import CommercialOnly, ExcludeSource, Format, Jobs

RawFolder = Annotated[
    Path | None, typer.Option("--raw", help="Folder for the raw files, as `mix build --raw` reads it.", file_okay=False)
]
ImagesFolder = Annotated[
    Path | None,
    typer.Option("--images", help="Folder for the images, as `train --images` reads it.", file_okay=False),
]
Mirror = Annotated[
    str | None, typer.Option(help="Take everything from here: BASE/<folder>/<file name>, as --dry-run lists them.")
]
KeepArchives = Annotated[bool, typer.Option("--keep-archives", help="Keep what has been unpacked.")]
AcceptChanged = Annotated[
    bool, typer.Option("--accept-changed", help="Take files that are not as they were known, and note what they are.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "--list", help="Say what is there and what would be fetched.")]
WithImages = Annotated[
    Path | None, typer.Option(help="Publish the images of this folder too, with the records that name them.")
]
NotPublished = Annotated[
    bool, typer.Option("--dry-run", help="Write what would be published to a folder; no Hub, no token.")
]
NotPublishedOut = Annotated[
    Path | None, typer.Option(help="With --dry-run: that folder; by default the repository's NAME, here.")
]


def fetch(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Sources to fetch; all by default.")
    ] = None,
    raw: RawFolder = None,
    images: ImagesFolder = None,
    mixture: Annotated[Path | None, typer.Option(help="Ask only for the covers that this mixture names.")] = None,
    mirror: Mirror = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Downloads at once.")] = 4,
    rate: Annotated[float, typer.Option(min=0.01, help="Covers to ask for in a second, at most.")] = 20.0,
    retries: Annotated[int, typer.Option(min=0, help="Tries after a failure, with growing waits.")] = 5,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds without a byte that count as a failure.")] = 60.0,
    keep_archives: KeepArchives = False,
    accept_changed: AcceptChanged = False,
    dry_run: DryRun = False,
    output: Format = "table",
) -> None:
    """Download raw files and images from their publishers; what is there is checked, what was begun goes on."""
    if raw is None and images is None:
        raise typer.BadParameter("name a folder for raw files or for images", param_hint="--raw, --images")
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise typer.BadParameter("expected an address that begins with http:// or https://", param_hint="--mirror")
    from mix665k.mixtures.fetch.run import Request
    from mix665k.mixtures.fetch.show import fetch_and_show
    from mix665k.mixtures.fetch.web import Patience

    patience = Patience(retries=retries, silence_s=timeout)
    request = Request(sources or (), raw, images, mixture, mirror, jobs, rate, keep_archives, accept_changed, patience)
    fetch_and_show(request, dry_run=dry_run, as_json=output == "json")


def publish(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder.")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Where on the Hub: OWNER/NAME; made if need be.")],
    private: Annotated[bool, typer.Option("--private", help="Nobody else may see it.")] = False,
    revision: Annotated[str, typer.Option(help="Branch to publish to; made if need be.")] = "main",
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request, commit nothing.")] = False,
    with_images: WithImages = None,
    exclude_source: ExcludeSource = None,
    commercial_only: CommercialOnly = False,
    dry_run: NotPublished = False,
    out: NotPublishedOut = None,
    jobs: Jobs = None,
    output: Format = "table",
) -> None:
    """Publish a mixture on the Hugging Face Hub: shards, manifest, recipe and a card. The same again changes nothing.

    The token is HF_TOKEN or that of `hf auth login`. An upload that was interrupted goes on where it stopped.
    """
    if out is not None and not dry_run:
        raise typer.BadParameter("goes with --dry-run", param_hint="--out")
    from mix665k.mixtures.build.selection import Choice
    from mix665k.mixtures.progress import progress_bar
    from mix665k.mixtures.publish.published import to_json, told
    from mix665k.mixtures.publish.repository import Request
    from mix665k.mixtures.publish.repository import publish as publish_mixture
    from mix665k.schemas.hub import Target

    choice = Choice(tuple(exclude_source or ()), commercial_only, with_images=with_images is not None)
    target = Target(repository, "dataset", private=private, revision=revision, create_pr=create_pr)
    request = Request(target, choice, with_images, jobs or os.cpu_count() or 1)
    console = Console(stderr=True)
    folder = (out or Path(repository.rpartition("/")[2])) if dry_run else None
    done = publish_mixture(mixture, request, folder, bar=lambda what: progress_bar(console, what=what))
    for line in [to_json(done)] if output == "json" else told(done):
        typer.echo(line)
