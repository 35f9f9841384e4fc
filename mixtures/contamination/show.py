"""What was found, as a person reads it: a table for each evaluation set."""

from collections.abc import Iterator
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mix665k.mixtures.contamination.findings import Contamination, Hit, Kind, SetOverlap, Shared, Split
from mix665k.mixtures.image_keys import SHARED_IMAGES
from mix665k.mixtures.terminal import narrow_table
from mix665k.schemas.terminal import printable

_HEADS = {Kind.IMAGES: "images", Kind.PAIRS: "pairs", Kind.TEXT: "text only", Kind.CONTENT: "files"}
_MEANINGS = {
    Kind.IMAGES: "images of the set that are in the mixture, by id; COCO's train2017 holds train2014 and most of "
    "val2014, so sets on COCO share many, and an image alone gives no answer away",
    Kind.PAIRS: "questions of the set asked about the same image in the mixture: their answers were trained on",
    Kind.TEXT: "other questions of the set that the mixture asks about other images: expected of short questions",
    Kind.CONTENT: "files of the set's images whose bytes or pixels are those of an image of the mixture",
}
_MAX_NAMES = 3


def print_contamination(console: Console, found: Contamination) -> None:
    """Print everything; of the examples one for each kind."""
    console.print(Text(printable(found.name), style="bold"))
    console.print(Text(found.path, style="dim"), soft_wrap=True)
    for one in found.sets:
        _print_set(console, one)
    for title, splits in groupby(found.splits, key=lambda split: split.title):
        console.print()
        console.print(_splits_table(title, list(splits)))
    console.print()
    for line in _remarks(found):
        console.print(Text(line, style="dim"))
    if found.dropped:
        _print_dropped(console, found)


def _print_set(console: Console, one: SetOverlap) -> None:
    asked = f"{one.questions:,} questions" if one.questions else "no questions"
    kinds = [Kind.IMAGES, Kind.PAIRS, Kind.TEXT] if one.questions else [Kind.IMAGES]
    console.print()
    console.print(_shared_table(f"{one.name}: {asked}, {one.images:,} images", one, kinds))
    if one.files:
        console.print(_shared_table(f"{one.name} by content: {one.files:,} image files", one, [Kind.CONTENT]))
    for line in _set_remarks(one):
        console.print(Text(printable(line), style="dim"), soft_wrap=True)


def _shared_table(title: str, one: SetOverlap, kinds: list[Kind]) -> Table:
    """A row for each source that shares something: how much, and in how many records."""
    table = narrow_table(
        printable(title), "source", numbers=tuple(x for kind in kinds for x in (_HEADS[kind], "records"))
    )
    for shared in one.sources:
        if any(shared.records[kind] for kind in kinds):
            table.add_row(shared.source, *_counts(shared, kinds))
    table.add_section()
    table.add_row("all", *(f"{count:,}" for kind in kinds for count in (one.total.of(kind), one.total.records[kind])))
    shares = [(f"{share:.1%}" if (share := one.share(kind)) is not None else "", "") for kind in kinds]
    table.add_row("of the set", *(cell for cells in shares for cell in cells))
    return table


def _counts(shared: Shared, kinds: list[Kind]) -> Iterator[str]:
    for kind in kinds:
        for count in (shared.of(kind), shared.records[kind]):
            yield f"{count:,}" if count else ""


def _set_remarks(one: SetOverlap) -> Iterator[str]:
    """Where the set comes from, what of it was left out, and the first hit of each kind."""
    left_out = f", {one.left_out:,} records of its split train left out" if one.left_out else ""
    yield f"{one.file}, layout {one.layout}{left_out}"
    for kind in Kind:
        if hit := next((hit for hit in one.examples if hit.by == kind), None):
            yield f"{_HEADS[kind]}: {_hit_line(hit)}"


def _hit_line(hit: Hit) -> str:
    """A hit in one line."""
    about = [hit.evaluation if hit.evaluation != hit.image else "", hit.image or "", hit.question or ""]
    more = f" and {hit.num_records - _MAX_NAMES:,} more" if hit.num_records > _MAX_NAMES else ""
    return f"{' '.join(text for text in about if text)} in {', '.join(hit.records[:_MAX_NAMES])}{more}"


def _splits_table(title: str, splits: list[Split]) -> Table:
    names = list(splits[0].trained)
    table = narrow_table(f"{title}: evaluation images that are trained on")
    table.add_column("split", no_wrap=True)
    for head in ("images", *names, "mixture", "records"):
        table.add_column(head, justify="right", no_wrap=True)
    for split in splits:
        counts = [split.images, *split.trained.values(), split.in_mixture, split.records]
        table.add_row(split.name, *(f"{count:,}" if count else "" for count in counts))
    return table


def _remarks(found: Contamination) -> Iterator[str]:
    """What the columns mean, and what was not looked at."""
    if found.sets:
        for kind, meaning in _MEANINGS.items():
            if kind != Kind.CONTENT or found.pictures:
                yield f"{_HEADS[kind]}: {meaning}"
    if found.splits:
        columns = ", ".join(dict.fromkeys(name for split in found.splits for name in split.trained))
        yield f"{columns}: images that this training split has too; mixture, records: those in the mixture"
    if found.image_data is None:
        collection, declared, _ = SHARED_IMAGES
        of = f"{collection.title}'s images were not looked for among {declared.collection.title}'s"
        yield f"{of}: pass --raw or --image-data for that"
    if pictures := found.pictures:
        yield f"compared by content: {pictures.images:,} images of the mixture, {pictures.files:,} of evaluation sets"
        for names, what in ((pictures.missing, "not there"), (pictures.unreadable, "not decodable, compared by bytes")):
            if names:
                yield f"{what}: {len(names):,} of them, the first is {printable(names[0])}"


def _print_dropped(console: Console, found: Contamination) -> None:
    dropped = found.dropped
    assert dropped is not None, found.path
    table = narrow_table("dropped", "reason", numbers=("records",))
    for reason, count in dropped.reasons.items():
        table.add_row(Text(printable(reason)), f"{count:,}")
    table.add_section()
    table.add_row("all", f"{dropped.records:,}")
    console.print()
    console.print(table)
    left = found.records - dropped.records
    console.print(Text(f"wrote {dropped.path}, {left:,} records, row hash {dropped.row_hash[:16]}"), soft_wrap=True)
