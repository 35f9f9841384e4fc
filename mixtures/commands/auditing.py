"""Commands that look at a mixture: what is in it, whether it is right, where it came from."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mix665k.mixtures.commands.options import Format, Jobs
from mix665k.mixtures.images.findings import MIN_SIDE_PX
from mix665k.schemas.errors import MixtureError

if TYPE_CHECKING:
    from mix665k.mixtures.inspect.findings import Inspection
    from mix665k.mixtures.inspect.html.page import Page
    from mix665k.mixtures.verify.verification import Verification

Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write a page for the browser, one file that needs no network: plots, and a gallery of records with "
        "their boxes drawn in.",
    ),
]


def inspect_(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder, or a JSON file in LLaVA's own form.")],
    source: Annotated[list[str] | None, typer.Option(help="Look at this source only; may be repeated.")] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Print N records of each source, always the same ones (a draw of seed 0).")
    ] = 0,
    output: Format = "table",
    tokenizer: Annotated[
        str | None, typer.Option(help="Hub name or folder: count tokens too, 576 per image, template v1.")
    ] = None,
    html: Html = None,
    images: Annotated[Path | None, typer.Option(help="With --html: the folder of the images.")] = None,
    gallery: Annotated[
        int | None, typer.Option(min=0, help="With --html: records of each source in the gallery; 12 unless given.")
    ] = None,
) -> None:
    """Check every record, then show counts, lengths, prompts, what was left out, and how it compares with the paper."""
    from mix665k.mixtures.inspect.run import Request, inspect, require_sound
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.progress import progress_bar

    page = _page(html, images, gallery)
    drawn = max(sample, page.gallery) if page else sample
    with progress_bar(Console(stderr=True), what="looking") as advance:
        request = Request(sources=tuple(source or ()), sample=drawn, tokenizer=tokenizer)
        found = inspect(Mixture.open(mixture), request, advance=advance)
    _print_found(found, sample, output)
    if page:
        _write_page(found, page, output)
    require_sound(found)


def _page(html: Path | None, images: Path | None, gallery: int | None) -> "Page | None":
    """The page to write, if one is asked for; what stands in its way is told before the long work."""
    if html is None:
        for option, given in (("--images", images), ("--gallery", gallery)):
            if given is not None:
                raise typer.BadParameter("goes with --html", param_hint=option)
        return None
    try:
        from mix665k.mixtures.inspect.html.page import Page, require_page
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "plotly":
            raise
        raise MixtureError(f"--html {html}: plotly is not installed; pip install 'mix665k[report]'") from None
    page = Page(html, images) if gallery is None else Page(html, images, gallery)
    require_page(page)
    return page


def _print_found(found: "Inspection", sample: int, output: str) -> None:
    import msgspec

    from mix665k.mixtures.inspect.findings import to_json
    from mix665k.mixtures.inspect.report import print_inspection
    from mix665k.mixtures.inspect.sample import first_of_each

    printed = msgspec.structs.replace(found, sample=first_of_each(found.sample, sample))
    if output == "json":
        typer.echo(to_json(printed))
    else:
        print_inspection(Console(), printed)


def _write_page(found: "Inspection", page: "Page", output: str) -> None:
    """Write the page and say so, on stderr where stdout is one JSON document."""
    from mix665k.mixtures.inspect.html.page import write_page
    from mix665k.mixtures.progress import progress_bar

    with progress_bar(Console(stderr=True), what="drawing") as advance:
        written = write_page(found, page, advance=advance)
    typer.echo(f"wrote {page.out}, {written.summary}", err=output == "json")


Mapping = Annotated[
    Path | None,
    typer.Option(
        help="For covers that are gone: a JSON object from image to the file to use for it (null: nobody has one), or "
        "CSV with the header `image,file` (empty: nobody has one). Both are paths below the images folder.",
        dir_okay=False,
    ),
]
Fix = Annotated[
    bool,
    typer.Option(
        "--fix",
        help="Convert to JPEG what is named so, rename what is there in other letters or with another extension, "
        "copy mapped files into place. Nothing else is touched.",
    ),
]


def images(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder, or a JSON file in LLaVA's own form.")],
    folder: Annotated[Path, typer.Option("--images", help="Folder that holds coco, gqa, ocr_vqa and so on.")],
    source: Annotated[list[str] | None, typer.Option(help="Look at this source only; may be repeated.")] = None,
    mapping: Mapping = None,
    fix: Fix = False,
    min_side: Annotated[int, typer.Option(min=1, help="The shortest side in pixels that is not insane.")] = MIN_SIDE_PX,
    bad_list: Annotated[
        Path | None, typer.Option("--list", help="Write the bad images to this file, a JSON list.", dir_okay=False)
    ] = None,
    jobs: Jobs = None,
    output: Format = "table",
) -> None:
    """Decode every image that a mixture names, and say which cannot be used as they are.

    Exit code 1 for any that is missing, truncated, not decodable, not a file,
    unreadable; of wrong case, wrong extension or wrong format (a GIF named .jpg);
    of insane size: 0 bytes, a short side, one side over 200 times the other.
    """
    from mix665k.mixtures.images.checking import check_images, require_sound
    from mix665k.mixtures.images.examining import Request
    from mix665k.mixtures.progress import progress_bar

    request = Request(folder, tuple(source or ()), mapping, fix, min_side, bad_list, jobs or os.cpu_count() or 1)
    found = check_images(mixture, request, bar=lambda what: progress_bar(Console(stderr=True), what=what))
    if output == "json":
        from mix665k.mixtures.images.findings import to_json

        typer.echo(to_json(found))
    else:
        from mix665k.mixtures.images.tables import print_report

        print_report(Console(), found)
    require_sound(found)


Against = Annotated[
    Path | None, typer.Option(help="A published file in LLaVA's own form to compare with.", dir_okay=False)
]
IdsFrom = Annotated[
    Path | None, typer.Option(help="With --raw: where the build's --ids-from file is now.", dir_okay=False)
]


def verify(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder.")],
    raw: Annotated[
        Path | None, typer.Option(help="Folder with the raw files: hash them, and build every source again to compare.")
    ] = None,
    against: Against = None,
    only: Annotated[list[str] | None, typer.Option(help="With --raw: this source only; may be repeated.")] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="With --raw: records of each source to compare field by field.")
    ] = 100,
    tokenizer: Annotated[str | None, typer.Option(help="With --raw: where the recipe's tokenizer is now.")] = None,
    ids_from: IdsFrom = None,
    jobs: Jobs = None,
    output: Format = "table",
) -> None:
    """Prove that a mixture is whole and what its recipe gives: exit code 1 unless every check is passed.

    By itself: manifest, files, hashes, every record, ids, funnel, counts.
    """
    from mix665k.mixtures.progress import progress_bar
    from mix665k.mixtures.verify.raw import RawRequest, verify_all
    from mix665k.mixtures.verify.verification import require_passed

    if raw is None and (only or tokenizer or ids_from):
        raise typer.BadParameter("goes with --raw", param_hint="--only, --tokenizer, --ids-from")
    request = RawRequest(raw, sample, tuple(only or ()), tokenizer, ids_from) if raw else None
    bar = lambda what: progress_bar(Console(stderr=True), what=what)  # noqa: E731
    found = verify_all(mixture, request, jobs=jobs or os.cpu_count() or 1, bar=bar)
    equal = _print_verification(found, mixture, against, output)
    require_passed(found)
    if not equal:
        raise MixtureError(f"{mixture}: not equal to {against}")


def _print_verification(found: "Verification", mixture: Path, against: Path | None, output: str) -> bool:
    """Print it, and behind it the comparison with a published file; gives whether that found both equal."""
    import msgspec

    from mix665k.mixtures.verify.tables import print_verification
    from mix665k.mixtures.verify.verification import to_json

    if output == "table":
        print_verification(Console(), found)
    if against is None:
        comparison = None
    else:
        from mix665k.mixtures.diff.compare import Request
        from mix665k.mixtures.diff.tables import print_comparison
        from mix665k.mixtures.diff.targets import compare_targets
        from mix665k.mixtures.mixture import Mixture
        from mix665k.mixtures.progress import progress_bar

        with progress_bar(Console(stderr=True), what="comparing") as advance:
            sides = Mixture.open(mixture), Mixture.open(against)
            comparison = compare_targets(*sides, Request(), advance=advance)
        if output == "table":
            print_comparison(Console(), comparison)
    if output == "json":
        typer.echo(to_json(msgspec.structs.replace(found, against=comparison)))
    return comparison is None or comparison.equal


def trace(
    mixture: Annotated[Path, typer.Argument(help="A mixture's folder.")],
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="A record's id, or its reference id where only one record has it.")
    ],
    raw: Annotated[Path | None, typer.Option(help="Folder with the raw files: show the raw records too.")] = None,
    output: Format = "table",
) -> None:
    """Show where each pair of a record came from: raw file, raw id and record, and the steps applied."""
    from mix665k.mixtures.progress import progress_bar
    from mix665k.mixtures.trace.lineage import require_traced, to_json
    from mix665k.mixtures.trace.lineage import trace as trace_record

    with progress_bar(Console(stderr=True), what="tracing") as advance:
        found = trace_record(mixture, identifier, raw, advance=advance)
    if output == "json":
        typer.echo(to_json(found))
    else:
        from mix665k.mixtures.trace.tables import print_trace

        print_trace(Console(), found)
    require_traced(found)


def diff(
    here: Annotated[Path, typer.Argument(metavar="A", help="A mixture's folder, or a JSON file in LLaVA's own form.")],
    there: Annotated[Path, typer.Argument(metavar="B", help="What to compare it with: another of these.")],
    source: Annotated[list[str] | None, typer.Option(help="Tell about this source only; may be repeated.")] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Show the first N differences of each source, of different kinds if there are.")
    ] = 3,
    output: Format = "table",
) -> None:
    """Compare two mixtures, or a mixture with a published file, record by record.

    Exit code 0 if both have the same records in the same order, 1 if not.
    """
    from mix665k.mixtures.diff.compare import Request
    from mix665k.mixtures.diff.targets import compare_targets
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.progress import progress_bar

    with progress_bar(Console(stderr=True), what="comparing") as advance:
        sides = Mixture.open(here), Mixture.open(there)
        comparison = compare_targets(*sides, Request(tuple(source or ()), examples), advance=advance)
    if output == "json":
        from mix665k.mixtures.diff.comparison import to_json

        typer.echo(to_json(comparison))
    else:
        from mix665k.mixtures.diff.tables import print_comparison

        print_comparison(Console(), comparison)
    if not comparison.equal:
        raise typer.Exit(1)
