"""The card of a mixture: the README that `mix build` writes and the Hub shows."""

from collections.abc import Iterable
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from mix665k.builders.licences import LLAVA_1_5
from mix665k.builders.registry import About
from mix665k.mixtures.card.front_matter import Place, Size, about_of, front_matter, has_images, with_rows
from mix665k.mixtures.card.limits import limits, partial
from mix665k.mixtures.card.sizes import source_size
from mix665k.mixtures.storage.recipes import load_recipe
from mix665k.schemas.files import write_whole
from mix665k.schemas.hub import MAIN
from mix665k.schemas.manifest import MANIFEST, Manifest, SourceEntry, left_out

CARD = "README.md"
_HERE = "path/to/this/folder"


def write_card(path: Path, manifest: Manifest) -> None:
    """Write the card of a mixture into its folder."""
    sizes = {entry.name: source_size(path.parent, entry) for entry in manifest.sources}
    write_whole(path, card(manifest, sizes))


def card(manifest: Manifest, sizes: dict[str, Size], place: Place | None = None) -> str:
    """The card, of a folder or of a repository, as the manifest and what is known of sources with records give it."""
    described = with_rows(manifest)
    sources = [(entry, about_of(entry)) for entry in described]
    revision = f', revision="{place.revision}"' if place and place.revision != MAIN else ""
    pictured = bool(place and place.pictured)
    papers = [LLAVA_1_5, *(paper for _, about in sources for paper in about.papers)]
    return (
        _template("card.md.jinja").render(
            front=yaml.safe_dump(front_matter(manifest, sizes, place), sort_keys=False, allow_unicode=True),
            name=" ".join(manifest.name.split()),
            description=load_recipe(manifest.recipe, where=MANIFEST).description.strip(),
            manifest=manifest,
            partial=partial(manifest),
            sources=sources,
            place=place,
            repository=place.repository if place else None,
            where=place.repository if place else _HERE,
            revision=revision,
            pictured=pictured,
            images=list(dict.fromkeys(_image_places(about for _, about in sources))),
            licences=licence_table(manifest),
            uses=_reasons(described),
            inputs=list({file.path: file for entry in manifest.sources for file in entry.inputs}.values()),
            left_out=[(entry.name, row) for entry in manifest.sources for row in left_out(entry)],
            limits=limits(manifest, with_images=pictured),
            personal=[(entry.name, about.personal_data) for entry, about in sources if about.personal_data],
            papers="\n\n".join(dict.fromkeys(paper.bibtex() for paper in papers)),
        )
        + "\n"
    )


def licence_table(manifest: Manifest) -> str:
    """The licences of all sources, and whom to cite, as a table in Markdown."""
    rows = ["| source | texts | images | commercial use | cite |", "|---|---|---|---|---|"]
    for entry in with_rows(manifest):
        about = about_of(entry)
        images = about.image_licence.name if has_images(about) else "none"
        use = f"{about.licence.commercial} / {about.image_licence.commercial if has_images(about) else 'no images'}"
        keys = ", ".join(paper.key for paper in about.papers)
        rows.append(f"| `{entry.name}` | {_cell(about.licence.name)} | {_cell(images)} | {use} | {keys} |")
    return "\n".join(rows)


def _reasons(entries: Iterable[SourceEntry]) -> list[str]:
    """Why commercial use is not simply allowed, each reason with its sources."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        about = about_of(entry)
        for what, use in {"texts": about.licence, "images": about.image_licence}.items():
            if use.commercial != "yes":
                found.setdefault(f"{what}, {use.commercial}: {use.because}", []).append(f"`{entry.name}`")
    return [f"{', '.join(names)}, {reason}" for reason, names in found.items()]


def _image_places(abouts: Iterable[About]) -> Iterable[tuple[str, str]]:
    """Folders of images, and where somebody who has none of them gets them."""
    for about in abouts:
        yield from ((images.folder, download.place) for images, download in about.archives)
        if has_images(about) and not about.archives and about.files and about.files[0].download:
            yield about.image_paths, f"one by one, see {about.files[0].download.place}"


def _cell(text: str) -> str:
    """Text that fits into a cell of a table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _template(name: str) -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _cell
    return environment.get_template(name)
