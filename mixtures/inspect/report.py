"""An inspection as a person reads it: narrow tables, and the sample as conversations."""

from collections.abc import Iterator
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mix665k.mixtures.inspect.findings import MAX_TOKENS, Inspection, Spread
from mix665k.mixtures.inspect.fingerprint import Fingerprint
from mix665k.mixtures.storage.published_counts import LOOKALIKES, Audit
from mix665k.mixtures.terminal import changed_options, left_out_table, narrow_table, on_one_line, with_total
from mix665k.schemas.conversation import in_order
from mix665k.schemas.terminal import printable

_MAX_ORIGINS = 5


def print_inspection(console: Console, found: Inspection) -> None:
    """Print everything; tables of spreads stand side by side where the terminal is wide enough."""
    _print_head(console, found)
    console.print(_records(found))
    for line in remarks(found):
        console.print(line, style="dim", highlight=False)
    shown = with_total(found.sources, found.total)
    if found.fingerprint.measured:
        _print_fingerprint(console, found.fingerprint)
    spreads = [
        _spreads(found, "pairs per record", [one.pairs_per_record for one in shown]),
        _spreads(found, "words per record", [one.words_per_record for one in shown]),
    ]
    if found.total.tokens:
        lengths = [one.tokens.per_record if one.tokens else None for one in shown]
        spreads += [_spreads(found, "tokens per record", lengths), _cuts(found)]
    console.print()
    console.print(Columns(spreads, padding=(0, 4)))
    for table in (_forms(found), left_out_table({one.name: one.left_out for one in found.sources}), _faults(found)):
        if table.row_count:
            console.print(table)
    for sampled in found.sample:
        _print_conversation(console, sampled.source, sampled.record)


def _print_head(console: Console, found: Inspection) -> None:
    console.print(Text(printable(found.name), style="bold"))
    console.print(Text(found.path, style="dim"), soft_wrap=True)
    if found.row_hash:
        checked = "manifest, files and every record checked: intact"
        console.print(Text(f"row hash {found.row_hash[:16]}; {checked}", style="dim"))
    if found.overrides:
        changed = changed_options(found.overrides)
        console.print(Text(f"built with options that change the recipe: {changed}", style="yellow"))
    console.print()


def _records(found: Inspection) -> Table:
    table = narrow_table("records", "source", numbers=("records", "published", "audit", "images", "pairs"))
    for one in with_total(found.sources, found.total):
        if one is found.total:
            table.add_section()
        counts = (f"{one.images:,}", f"{one.pairs:,}")
        table.add_row(one.name, f"{one.records:,}", *_audited(one.audit), *counts)
    return table


def _audited(audit: Audit | None) -> tuple[str, str | Text]:
    """The published number, and `equal` or by how much ours is off."""
    if audit is None:
        return "", ""
    style = "green" if audit.difference == 0 else "yellow"
    shown = "equal" if audit.difference == 0 else f"{audit.difference:+,}"
    return f"{audit.published:,}", Text(shown, style=style)


def remarks(found: Inspection) -> Iterator[str]:
    """What the first table cannot say."""
    if splits := [f"{one.name} {' and '.join(one.splits)}" for one in found.sources if one.splits]:
        yield f"splits of the datasets: {', '.join(splits)}"
    integers = {one.name: one.integer_ids for one in found.sources if one.integer_ids}
    if integers:
        listed = ", ".join(f"{name} {count:,}" for name, count in integers.items())
        yield f"ids that are integers, where others are strings: {listed}"
    if found.kind != "mixture":
        alike = "; ".join(f"{' and '.join(names)} by the number of pairs" for names in LOOKALIKES.values())
        yield f"sources are recognised by image folder and prompt, {alike}"
    if found.faults:
        yield f"{found.faults:,} records with faults are not counted above"


def _print_fingerprint(console: Console, found: Fingerprint) -> None:
    """The table, and below it where each published number comes from."""
    evidence = {text: k for k, text in enumerate(dict.fromkeys(one.evidence for one in found.measured), 1)}
    table = narrow_table("fingerprint", "source", "measure", numbers=("published", "here", "difference", "from"))
    shown = ""
    for one in found.measured:
        difference = Text("equal", style="green") if one.equal else Text(f"{one.difference:+,}", style="yellow")
        row = (f"{one.published:,}", f"{one.ours:,}", difference, str(evidence[one.evidence]))
        table.add_row("" if one.source == shown else one.source, one.measure, *row)
        shown = one.source
    console.print(table)
    notes = [f"from {k}: {text}" for text, k in evidence.items()]
    for line in (*notes, *found.remarks):
        console.print(line, style="dim", highlight=False)
    console.print()


def _spreads(found: Inspection, title: str, spreads: list[Spread | None]) -> Table:
    table = narrow_table(title, "source", numbers=("mean", "p50", "p95", "max"))
    for one, spread in zip(with_total(found.sources, found.total), spreads, strict=True):
        if one is found.total:
            table.add_section()
        table.add_row(one.name, *_spread(spread))
    return table


def _spread(spread: Spread | None) -> tuple[str, ...]:
    if spread is None:
        return "", "", "", ""
    return f"{spread.mean:,.1f}", f"{spread.p50:,}", f"{spread.p95:,}", f"{spread.max:,}"


def _cuts(found: Inspection) -> Table:
    table = narrow_table(f"cut at {MAX_TOKENS:,} tokens", "source", numbers=("records over", "answers cut"))
    for one in with_total(found.sources, found.total):
        if one is found.total:
            table.add_section()
        if one.tokens:
            table.add_row(one.name, f"{one.tokens.over:,}", f"{one.tokens.answers_cut:,}")
    return table


def _forms(found: Inspection) -> Table:
    table = narrow_table("prompt form of the first question", "source", "form", numbers=("records",))
    for one in found.sources:
        for k, (form, count) in enumerate(one.prompt_forms.items()):
            table.add_row("" if k else one.name, Text(on_one_line(form)), f"{count:,}")
    return table


def _faults(found: Inspection) -> Table:
    table = narrow_table(f"{found.faults:,} records with faults", "where", "id", "why")
    for fault in found.fault_examples:
        table.add_row(*(Text(printable(text)) for text in (fault.where, fault.id, fault.why)))
    return table


def _print_conversation(console: Console, source: str, record: dict[str, Any]) -> None:
    identifier = printable(str(record["id"]))
    title = identifier if identifier.startswith(f"{source}/") else f"{source}  {identifier}"
    console.print(Rule(Text(title, style="bold"), align="left"))
    about = Table.grid(padding=(0, 2))
    images = in_order(record.get("image"), record.get("more_images"))
    about.add_row("images" if len(images) > 1 else "image", Text(printable(", ".join(images) or "none")), style="dim")
    if record.get("system"):
        about.add_row("system", Text(printable(record["system"])), style="dim")
    if "origins" in record:
        origins, steps = record["origins"], record["steps"]
        more = f", … {len(origins) - _MAX_ORIGINS} more" if len(origins) > _MAX_ORIGINS else ""
        about.add_row("origins", Text(printable(", ".join(origins[:_MAX_ORIGINS])) + more), style="dim")
        about.add_row("steps", Text(printable("; ".join(steps) or "none")), style="dim")
    console.print(about)
    console.print()
    turns = Table.grid(padding=(0, 2))
    turns.add_column(justify="right", no_wrap=True)
    turns.add_column(overflow="fold")
    for turn in record["conversations"]:
        style = "cyan" if turn["from"] == "human" else "green"
        turns.add_row(Text(turn["from"], style=style), Text(printable(turn["value"])))
    console.print(turns)
    console.print()
