"""What MkDocs calls while it builds the site; `make docs` runs it after it has renewed the pages."""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.generator.benchmark_pages import BENCHMARK_PAGES
from docs.generator.source_pages import SOURCE_PAGES
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
    """Put a page per source into the navigation, and say where site and repository are if `REPOSITORY` names it."""
    if repository := os.environ.get("REPOSITORY") or os.environ.get("GITHUB_REPOSITORY"):
        owner, _, name = repository.partition("/")
        config.repo_url, config.repo_name = f"https://github.com/{repository}", repository
        config.site_url = f"https://{owner.lower()}.github.io/{name}/"
    for entry in config.nav or []:
        if "Sources" in entry:
            entry["Sources"] += [{name: f"sources/{name}.md"} for name in SOURCE_PAGES]
        if "Benchmarks" in entry:
            entry["Benchmarks"] += [{name: f"benchmarks/{name}.md"} for name in BENCHMARK_PAGES]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the JSON Schemas."""
    for path in sorted(SCHEMAS.rglob("*.schema.json")):
        name = path.relative_to(SCHEMAS).as_posix()
        files.append(File.generated(config, f"schemas/{name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Point links that leave `docs/` to what the site has instead: its copies of the schemas, or the repository."""
    depth = page.file.src_uri.count("/")

    def one(match: re.Match[str]) -> str:
        target = match["target"]
        if target.startswith("schemas/") and target.endswith(".json"):
            return f"[{match['text']}]({'../' * depth}{target})"
        return f"[{match['text']}]({config.repo_url}/blob/HEAD/{target})" if config.repo_url else match["text"]

    return re.sub(rf"\[(?P<text>[^]]+)\]\({'../' * (depth + 1)}(?P<target>(?!\.\./)[^)]+)\)", one, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that would load anything from another server."""
    for path in Path(config.site_dir).rglob("*"):
        if path.suffix in _ELSEWHERE and (found := loaded_from_elsewhere(path.read_text("utf-8"), path.suffix)):
            raise PluginError(f"{path}: loads from elsewhere: {found}")


def loaded_from_elsewhere(text: str, suffix: str) -> str | None:
    """Where a page, a style or a picture asks another server for something; a link does not."""
    found = _ELSEWHERE[suffix].search(text)
    return found[0] if found else None
