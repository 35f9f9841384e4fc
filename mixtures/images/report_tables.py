"""What was found of the images, as a person reads it."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mix665k.mixtures.images.findings import ImagesReport
from mix665k.mixtures.terminal import narrow_table, with_total
from mix665k.schemas.terminal import printable

_MAX_EXAMPLES = 3
_MAX_IMAGE_WIDTH = 36


def print_report(console: Console, found: ImagesReport) -> None:
    """Print the counts by source and finding, some of the bad images, and what else is to be known."""
    console.print(Text(printable(found.path), style="bold"), soft_wrap=True)
    console.print(Text(f"images in {printable(found.folder)}", style="dim"), soft_wrap=True)
    console.print()
    for table in (_sources(found), _findings(found), _examples(found)):
        if table.row_count:
            console.print(table)
    for line in _remarks(found):
        console.print(line, style="dim", highlight=False)


def _sources(found: ImagesReport) -> Table:
    known = ("known missing",) if found.known_missing else ()
    table = narrow_table("images", "source", numbers=("records", "images", "bad", *known))
    for one in with_total(found.sources, found.total):
        if one is found.total:
            table.add_section()
        bad = Text(f"{one.bad.images:,}", style="red" if one.bad.images else "green")
        missing = (f"{one.known_missing.images:,}",) if known else ()
        table.add_row(printable(one.name), f"{one.named.records:,}", f"{one.named.images:,}", bad, *missing)
    return table


def _findings(found: ImagesReport) -> Table:
    table = narrow_table("bad images", "source", "finding", numbers=("images", "records"))
    for one in found.sources:
        for k, (finding, count) in enumerate(one.findings.items()):
            name = "" if k else printable(one.name)
            table.add_row(name, finding, f"{count.images:,}", f"{count.records:,}")
    return table


def _examples(found: ImagesReport) -> Table:
    """The first few of each finding."""
    table = narrow_table("some of them", "image", "finding", "detail")
    table.columns[0].min_width = min(_MAX_IMAGE_WIDTH, max((len(one.image) for one in found.bad), default=0))
    shown: Counter[str] = Counter()
    for one in sorted(found.bad, key=lambda one: list(found.total.findings).index(one.finding)):
        shown[one.finding] += 1
        if shown[one.finding] <= _MAX_EXAMPLES:
            table.add_row(*(Text(printable(text), overflow="fold") for text in (one.image, one.finding, one.detail)))
    return table


def _remarks(found: ImagesReport) -> Iterator[str]:
    for mend, count in Counter(one.mend for one in found.mended if one.failed is None).items():
        yield f"--fix: {_DONE[mend]} {count:,}"
    failed = [one for one in found.mended if one.failed is not None]
    if failed:
        yield f"--fix: could not fix {len(failed):,}, the first is {printable(failed[0].image)}: {failed[0].failed}"
    if found.known_missing:
        records = sum(one.records for one in found.known_missing)
        yield f"known missing, as the mapping says: {len(found.known_missing):,}, named by {records:,} records"
    if found.mapped:
        one = found.mapped[0]
        yield (
            f"used from another file, as the mapping says: {len(found.mapped):,}, the first is {printable(one.image)} "
            f"from {printable(one.file)}; trainers know no mapping, --fix copies the files into place"
        )
    if found.mapping_unused:
        yield f"in the mapping, but named by no record: {found.mapping_unused:,}"
    for note, images in found.notes.items():
        yield f"sound, but {note}: {len(images):,}, the first is {printable(images[0])}"


_DONE = {"convert": "converted to JPEG", "rename": "renamed", "copy": "copied"}
