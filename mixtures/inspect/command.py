"""`mix inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mix665k.mixtures.options import MixtureOrFile, OutputFormat, Source
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.install import install
from mix665k.schemas.terminal import open_console, say, say_json
from mix665k.schemas.tokens import TOKENS_PER_IMAGE

if TYPE_CHECKING:
    from mix665k.mixtures.inspect.findings import Inspection
    from mix665k.mixtures.inspect.html.page import Page

Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write a page for the browser, one file that needs no network: plots, and a gallery of records with "
        "their boxes drawn in.",
    ),
]


def inspect(
    mixture: MixtureOrFile,
    *,
    source: Source = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Records of each source: print so many, the same ones each time.")
    ] = 0,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Tokenizer, by Hub name or folder: count tokens too, of template v1."),
    ] = None,
    tokens_per_image: Annotated[
        int,
        typer.Option(min=1, help="Tokens of an image: as `train check` says of a vision tower; with --tokenizer."),
    ] = TOKENS_PER_IMAGE,
    html: Html = None,
    images: Annotated[Path | None, typer.Option(help="With --html: folder with the images.")] = None,
    gallery: Annotated[
        int | None, typer.Option(min=0, help="With --html: records of each source in the gallery; 12 unless given.")
    ] = None,
    output: OutputFormat = "table",
) -> None:
    """Check every record, then show counts, lengths, prompts, what was left out, and how it compares with the paper."""
    from mix665k.mixtures.inspect.run import inspect as inspect_mixture
    from mix665k.mixtures.inspect.run import require_sound
    from mix665k.mixtures.mixture import Mixture
    from mix665k.mixtures.terminal import bar_on_stderr

    page = _page(html, images=images, gallery=gallery)
    drawn = max(sample, page.gallery) if page else sample
    with bar_on_stderr("looking") as advance:
        opened = Mixture.open(mixture)
        found = inspect_mixture(
            opened,
            sources=source or (),
            sample=drawn,
            tokenizer=tokenizer,
            tokens_per_image=tokens_per_image,
            advance=advance,
        )
    _print_found(found, sample=sample, output=output)
    if page:
        _write_page(found, page, output=output)
    require_sound(found)


def _page(html: Path | None, *, images: Path | None, gallery: int | None) -> "Page | None":
    """The page to write, if one is asked for; what would keep it from being written fails before the long work."""
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
        raise MixtureError(f"--html {html}: plotly is not installed; {install('report')}") from None
    page = Page(out=html, images=images) if gallery is None else Page(out=html, images=images, gallery=gallery)
    require_page(page)
    return page


def _print_found(found: "Inspection", *, sample: int, output: str) -> None:
    import msgspec

    from mix665k.mixtures.inspect.findings import to_json
    from mix665k.mixtures.inspect.report import print_inspection
    from mix665k.mixtures.inspect.sample import first_of_each

    printed = msgspec.structs.replace(found, sample=first_of_each(found.sample, sample))
    if output == "json":
        say_json(to_json(printed))
    else:
        print_inspection(open_console(), printed)


def _write_page(found: "Inspection", page: "Page", *, output: str) -> None:
    """Write the page and say so, on stderr where stdout is one JSON document."""
    from mix665k.mixtures.inspect.html.page import write_page
    from mix665k.mixtures.terminal import bar_on_stderr

    with bar_on_stderr("drawing") as advance:
        written = write_page(found, page, advance=advance)
    say(f"wrote {page.out}, {written.summary}", err=output == "json")
