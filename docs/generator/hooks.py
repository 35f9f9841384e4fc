"""What MkDocs calls while it builds the site; `make docs` runs it."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.generator.directives import asked_for, fill
from docs.generator.recordings import run_ahead
from docs.generator.source_pages import SOURCE_PAGES, source_page
from mix665k.mixtures.storage.json_schemas import FOLDER as SCHEMAS

_STYLE = r"""url\(["']?https?:|@import\s+["']https?:"""
_ELSEWHERE = {
    ".html": re.compile(
        rf"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?https?:|<link[^>]*\shref=["']?https?:|{_STYLE}"""
    ),
    ".css": re.compile(_STYLE),
    ".svg": re.compile(_STYLE),
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page per source into the navigation."""
    for entry in config.nav or []:
        if "Sources" in entry:
            entry["Sources"] += [{name: f"sources/{name}.md"} for name in SOURCE_PAGES]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the JSON Schemas, and a page for each source that has none written by hand."""
    for path in sorted(SCHEMAS.rglob("*.schema.json")):
        name = path.relative_to(SCHEMAS).as_posix()
        files.append(File.generated(config, f"schemas/{name}", abs_src_path=str(path)))
    for name in SOURCE_PAGES:
        if files.get_file_from_path(f"sources/{name}.md") is None:
            files.append(File.generated(config, f"sources/{name}.md", content=""))
    pages = [asked_for(file.content_string) for file in files.documentation_pages()]
    run_ahead([[text for name, text in page if name in ("run", "prepare")] for page in pages])
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fill in what is generated."""
    path = Path(page.file.src_uri)
    if path.parent.name == "sources" and path.stem in SOURCE_PAGES:
        markdown = source_page(path.stem, markdown, page.meta)
    return fill(markdown, where=page.file.src_uri)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that would load anything from another server."""
    for path in Path(config.site_dir).rglob("*"):
        if path.suffix in _ELSEWHERE and (found := loaded_from_elsewhere(path.read_text("utf-8"), path.suffix)):
            raise PluginError(f"{path}: loads from elsewhere: {found}")


def loaded_from_elsewhere(text: str, suffix: str) -> str | None:
    """Where a page, a style or a picture asks another server for something; a link does not."""
    found = _ELSEWHERE[suffix].search(text)
    return found[0] if found else None
