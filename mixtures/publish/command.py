"""`mix publish`."""

from pathlib import Path
from typing import Annotated

import typer

from mix665k.mixtures.options import (
    ALL_CORES,
    Address,
    CommercialOnly,
    Engine,
    ExcludeSource,
    Jobs,
    MixtureFolder,
    OutputFormat,
    workers,
)
from mix665k.schemas.terminal import say, say_json

Repository = Annotated[
    str, typer.Argument(metavar="REPO", help="Where on the Hub: OWNER/NAME; created if it does not exist.")
]
Revision = Annotated[str, typer.Option(help="Branch to publish to; created if it does not exist.")]
WithImages = Annotated[
    Path | None, typer.Option(help="Publish the images of this folder too, with the records that name them.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Dry run: write what would be published to a folder; no Hub, no token.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="With --dry-run: where to write: a folder; by default the repository's NAME, here."),
]


def publish(
    mixture: MixtureFolder,
    *,
    repository: Repository,
    private: Annotated[bool, typer.Option("--private", help="Only you can see it.")] = False,
    revision: Revision = "main",
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request, commit nothing.")] = False,
    with_images: WithImages = None,
    exclude_source: ExcludeSource = None,
    commercial_only: CommercialOnly = False,
    dry_run: DryRun = False,
    out: Out = None,
    jobs: Jobs = ALL_CORES,
    engine: Engine = "local",
    address: Address = None,
    output: OutputFormat = "table",
) -> None:
    """Publish a mixture on the Hugging Face Hub: shards, manifest, recipe and a card. Re-running is a no-op.

    The token is HF_TOKEN or that of `hf auth login`. An upload that was interrupted resumes where it stopped.
    """
    if out is not None and not dry_run:
        raise typer.BadParameter("goes with --dry-run", param_hint="--out")
    from mix665k.mixtures.build.selection import Choice
    from mix665k.mixtures.publish.published import closing_lines, to_json
    from mix665k.mixtures.publish.repository import PublishRequest
    from mix665k.mixtures.publish.repository import publish as publish_mixture
    from mix665k.mixtures.terminal import bar_on_stderr
    from mix665k.schemas.hub import Target

    request = PublishRequest(
        target=Target(repository=repository, kind="dataset", private=private, revision=revision, create_pr=create_pr),
        choice=Choice(
            exclude=tuple(exclude_source or ()),
            commercial_only=commercial_only,
            with_images=with_images is not None,
        ),
        images=with_images,
        jobs=workers(jobs, engine=engine, address=address),
    )
    folder = (out or Path(repository.rpartition("/")[2])) if dry_run else None
    done = publish_mixture(mixture, request, folder, bar=bar_on_stderr)
    if output == "json":
        say_json(to_json(done))
    else:
        for line in closing_lines(done):
            say(line)
