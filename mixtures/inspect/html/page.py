"""The page: checked for before the long work, put together from templates, written whole or not at all."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mix665k.mixtures.inspect.answers import MAX_CHARS
from mix665k.mixtures.inspect.findings import MAX_TOKENS, Inspection, Numbers
from mix665k.mixtures.inspect.html import plots
from mix665k.mixtures.inspect.html.gallery import DEFAULT_CONVENTION, Gallery, make_gallery
from mix665k.mixtures.inspect.report import remarks
from mix665k.mixtures.inspect.sample import first_of_each
from mix665k.mixtures.terminal import changed_options, with_total
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.files import write_whole
from mix665k.schemas.images.places import require_place
from mix665k.schemas.manifest import LEFT_OUT, changes

_SUFFIXES = (".html", ".htm")


class Page(NamedTuple):
    """Where to write, where the images are, and how many records of each source the gallery shows."""

    out: Path
    images: Path | None = None
    gallery: int = 12


class Written(NamedTuple):
    """What a page holds."""

    num_bytes: int
    gallery: Gallery

    @property
    def summary(self) -> str:
        """Its size and what the gallery shows, in one line."""
        shown = f"{len(self.gallery.cards):,} records, {self.gallery.num_shown:,} images"
        absent = f", {self.gallery.num_absent:,} images not shown" if self.gallery.num_absent else ""
        return f"{self.num_bytes / 1e6:.1f} MB: {shown}{absent}"


def require_page(page: Page) -> None:
    """The page can be written and the images are there.

    Raises:
        MixtureError: when they cannot.
    """
    if page.out.suffix not in _SUFFIXES:
        raise MixtureError(f"--html {page.out}: ends in {page.out.suffix!r}, expected .html")
    if page.out.is_dir():
        raise MixtureError(f"--html {page.out}: is a folder, expected a file to write")
    if not page.out.parent.is_dir():
        raise MixtureError(f"--html {page.out}: no such folder {page.out.parent}; make it first")
    if page.images:
        require_place(page.images, kind=MixtureError)


def write_page(found: Inspection, page: Page, *, advance: Callable[[float], None]) -> Written:
    """Write what was found; the gallery takes the first records of its sample.

    Raises:
        MixtureError: when the file cannot be written.
    """
    conventions = {one.name: one.box_convention for one in found.sources if one.box_convention}
    sampled = first_of_each(found.sample, page.gallery)
    gallery = make_gallery(sampled, images=page.images, conventions=conventions, advance=advance)
    content = render(found, gallery, has_images=page.images is not None).encode()
    try:
        write_whole(page.out, content)
    except OSError as error:
        raise MixtureError(f"--html {page.out}: {os_reason(error)}") from None
    return Written(len(content), gallery)


def render(found: Inspection, gallery: Gallery, *, has_images: bool) -> str:
    """The page as text; every text of a record is escaped."""
    environment = Environment(
        loader=PackageLoader("mix665k.mixtures.inspect.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda figure: Markup(figure.replace("<", "\\u003c"))
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["short"] = lambda number: f"{number:.2f}"
    environment.filters["share"] = lambda part: f"{part:.1%}"
    environment.filters["signed"] = lambda number: f"{number:+,}" if number else ""
    return environment.get_template("page.html").render(
        found=found,
        gallery=gallery,
        has_images=has_images,
        changed=changed_options(found.overrides),
        shown=with_total(found.sources, found.total),
        colours={one.name: plots.colour_of(i) for i, one in enumerate(found.sources)},
        remarks=list(remarks(found)),
        assumed=[name for name in _with_boxes(gallery) if name not in _conventions(found)],
        told={name: convention for name, convention in _conventions(found).items() if name in _with_boxes(gallery)},
        default_convention=DEFAULT_CONVENTION,
        max_tokens=MAX_TOKENS,
        max_chars=MAX_CHARS,
        shares=plots.shares(found) if found.total.records else None,
        lengths=plots.lengths(found) if found.total.records else [],
        forms=plots.prompt_forms(found) if found.total.records else None,
        answers=[plot for plot in (plots.yes_and_no(found), plots.letters(found)) if plot],
        funnels=[
            (one, plots.funnel(one, colour=plots.colour_of(i)), _regrouped(one))
            for i, one in enumerate(found.sources)
            if one.funnel
        ],
        css=_text("page.css"),
        script=_text("page.js"),
        plotly=Markup(get_plotlyjs()),
    )


def _regrouped(one: Numbers) -> list[str]:
    """What changed a source's numbers and left nothing out, and what was only noted, in words."""
    found = [
        f"{change.step}: {change.reason} {change.conversations:+,} conversations, {change.pairs:+,} pairs"
        for change in changes(one.funnel)
        if change.kind not in LEFT_OUT
    ]
    return found + [
        f"{step.step}: {reason}, noted {count:,} times" for step in one.funnel for reason, count in step.noted.items()
    ]


def _with_boxes(gallery: Gallery) -> list[str]:
    return list(dict.fromkeys(card.source for card in gallery.cards if card.boxes))


def _conventions(found: Inspection) -> dict[str, str]:
    return {one.name: one.box_convention for one in found.sources if one.box_convention}


def _text(name: str) -> Markup:
    """A template that is no HTML, as it is."""
    return Markup((files("mix665k.mixtures.inspect.html") / "templates" / name).read_text(encoding="utf-8"))
