"""Renews the generated parts of all pages: `make docs`, or `python -m docs.generator.pages docs/select.md` for some.

With `--check` nothing is written, and a page that would change ends with exit 1 and the difference: `make docs-check`.
With `--quick` commands are run only on pages where an output is still missing: seconds instead of minutes.
"""

import sys
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from pathlib import Path

from docs.generator.directives import RUNS, SILENT, asked_for, fill, parts
from docs.generator.recordings import PROJECT, run_ahead

READ_ELSEWHERE = ("README.md", "AGENTS.md")
"""Pages outside of `docs/`."""


def all_pages() -> list[Path]:
    """Every page that may hold a generated part."""
    named = [PROJECT / name for name in READ_ELSEWHERE]
    return [*(path for path in named if path.is_file()), *sorted((PROJECT / "docs").rglob("*.md"))]


def renewed(paths: Iterable[Path], *, quick: bool = False) -> Iterator[tuple[Path, str, str]]:
    """Each page with its text as it is and as it should be; the commands of all pages are run first."""
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    kept = {path for path, markdown in texts.items() if quick and _is_filled(markdown)}
    commands = [
        [text for name, text in asked_for(markdown) if name in RUNS]
        for path, markdown in texts.items()
        if path not in kept
    ]
    if any(commands):
        run_ahead(commands)
    for path, markdown in texts.items():
        keep = RUNS if path in kept else frozenset[str]()
        yield path, markdown, fill(markdown, where=str(path.relative_to(PROJECT)), keep=keep)


def _is_filled(markdown: str) -> bool:
    return all(part.body or part.name in SILENT for part in parts(markdown))


def main(arguments: list[str]) -> int:
    """Write the pages that changed, or show how they would."""
    check, quick = "--check" in arguments, "--quick" in arguments
    chosen = [Path(name).resolve() for name in arguments if not name.startswith("--")]
    outdated = False
    for path, old, new in renewed(chosen or all_pages(), quick=quick):
        if old == new:
            continue
        outdated = True
        name = str(path.relative_to(PROJECT))
        if check:
            sys.stdout.writelines(unified_diff(old.splitlines(True), new.splitlines(True), name, f"{name}, renewed"))
        else:
            path.write_text(new, encoding="utf-8")
            print(f"renewed {name}")
    if check and outdated:
        print("error: generated parts of the documentation are outdated; run `make docs` and commit what it renews")
    return int(check and outdated)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
