"""A comparison as a person reads it: what is the same, what differs, and the first differences."""

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mix665k.mixtures.diff.comparison import Change, Comparison, Side, SourceComparison, percent
from mix665k.mixtures.inspect.findings import Spread
from mix665k.mixtures.terminal import narrow_table, on_one_line, with_total
from mix665k.schemas.terminal import printable

_ARROW = "→"


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print everything; two mixtures have records added, removed and changed."""
    words = _words(comparison)
    for name, side in (("a", comparison.a), ("b", comparison.b)):
        console.print(_head(name, side), soft_wrap=True)
    style = "green" if comparison.equal else "yellow"
    console.print()
    console.print(Text(_verdict(comparison), style=style))
    console.print()
    console.print(_records(comparison))
    for line in _remarks(comparison):
        console.print(line, style="dim", highlight=False)
    console.print()
    for table in (
        _differences(comparison, words),
        _lengths(comparison),
        _prompts(comparison),
        _manifests(comparison),
        *(_faults(side) for side in (comparison.a, comparison.b)),
    ):
        if table.row_count:
            console.print(table)
    for source in comparison.sources:
        _print_examples(console, source, words)


def _words(comparison: Comparison) -> dict[str, str]:
    """What an outcome is called."""
    if comparison.a.kind == comparison.b.kind == "mixture":
        names = {"differing": "changed in", "only_in_a": "removed", "only_in_b": "added"}
    else:
        names = {"differing": "differing in", "only_in_a": "only in A", "only_in_b": "only in B"}
    return {"reordered": "same pairs in another order", **names}


def _head(name: str, side: Side) -> Text:
    about = [f"{side.records:,} records"]
    if side.kind == "mixture":
        about = [printable(side.name), *about, f"row hash {(side.row_hash or '')[:16]}"]
    text = Text(f"{name:<7}", style="dim")
    text.append(printable(side.path), style="bold")
    text.append(f"  {', '.join(about)}", style="dim")
    return text


def _verdict(comparison: Comparison) -> str:
    if comparison.equal and comparison.a.row_hash and comparison.a.row_hash == comparison.b.row_hash:
        return "equal: the row hashes are the same, all shards are intact"
    if comparison.equal:
        return "equal: the same records in the same order"
    total = comparison.total
    if total.identical == total.a == total.b and not comparison.same_order:
        return "different: the same records in another order"
    return f"different: {total.identical:,} records are identical, {_percent(total.percent['identical'])} of all"


def _records(comparison: Comparison) -> Table:
    table = narrow_table("records", "source", numbers=("a", "b", "identical", "% of all", "pairs in both"))
    for one in with_total(comparison.sources, comparison.total):
        if one is comparison.total:
            table.add_section()
        shared = f"{one.pairs_shared:,}"
        style = "green" if one.identical == one.a == one.b else "yellow"
        share = Text(_percent(one.percent["identical"]), style=style)
        table.add_row(one.name, f"{one.a:,}", f"{one.b:,}", f"{one.identical:,}", share, shared)
    return table


def _percent(share: float) -> str:
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.2f} %"


def _remarks(comparison: Comparison) -> Iterator[str]:
    """What the first table cannot say."""
    for name, side in (("a", comparison.a), ("b", comparison.b)):
        if side.source_evidence:
            told = ", ".join(f"{by} {count:,}" for by, count in side.source_evidence.items())
            yield f"sources of the records of {name} are inferred from: {told}"
        if side.faults:
            yield f"{side.faults:,} records of {name} have faults and are not compared"
    if comparison.by_content:
        yield f"{comparison.by_content:,} records belong together by what they say alone, under other ids and images"
    if not comparison.same_order and not comparison.total.moved:
        yield "the sources are in another order"


def _differences(comparison: Comparison, words: dict[str, str]) -> Table:
    table = narrow_table("what differs", "source", "what", numbers=("records", "% of all"))
    for one in with_total(comparison.sources, comparison.total):
        if one is comparison.total and table.row_count:
            table.add_section()
        for k, row in enumerate(_differences_of(one, words)):
            table.add_row("" if k else one.name, *row)
    return table


def _differences_of(one: SourceComparison, words: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    whole = one.identical + one.reordered + one.differing + one.only_in_a + one.only_in_b
    counts = {words["reordered"]: one.reordered}
    counts |= {f"{words['differing']} {fields}": count for fields, count in one.differing_in.items()}
    counts |= {words["only_in_a"]: one.only_in_a, words["only_in_b"]: one.only_in_b}
    for what, count in counts.items():
        if count:
            yield what, f"{count:,}", _percent(percent(count, whole))
    if one.moved:
        yield "elsewhere in the order", f"{one.moved:,}", ""


def _lengths(comparison: Comparison) -> Table:
    table = narrow_table("shifts of lengths", "source", "per record", numbers=("mean", "p50", "p95"))
    for one in with_total(comparison.sources, comparison.total):
        shifts = [
            (unit, getattr(one.lengths_in_a, unit), getattr(one.lengths_in_b, unit)) for unit in ("words", "pairs")
        ]
        shifted = [(unit, a, b) for unit, a, b in shifts if a and b and a != b]
        for k, (unit, a, b) in enumerate(shifted):
            table.add_row("" if k else one.name, unit, *_shift(a, b))
    return table


def _shift(a: Spread, b: Spread) -> tuple[str, str, str]:
    means = f"{a.mean:,.2f} {_ARROW} {b.mean:,.2f}" if a.mean != b.mean else f"{a.mean:,.2f}"
    middle, high = (
        f"{ours:,} {_ARROW} {theirs:,}" if ours != theirs else f"{ours:,}"
        for ours, theirs in ((a.p50, b.p50), (a.p95, b.p95))
    )
    return means, middle, high


def _prompts(comparison: Comparison) -> Table:
    table = narrow_table("prompt form of the first question", "source", "form", numbers=("a", "b"))
    for one in comparison.sources:
        both = one.a > 0 and one.b > 0
        shifted = [prompts for prompts in one.prompts if both and prompts.a != prompts.b]
        for k, prompts in enumerate(shifted):
            counts = f"{prompts.a:,}", f"{prompts.b:,}"
            table.add_row("" if k else one.name, Text(on_one_line(prompts.form)), *counts)
    return table


def _manifests(comparison: Comparison) -> Table:
    table = narrow_table("what differs in the manifests", "of", "what", "a", "b")
    for change in comparison.manifests:
        table.add_row(*(Text(on_one_line(text)) for text in (change.about, change.what, change.a, change.b)))
    return table


def _faults(side: Side) -> Table:
    table = narrow_table(f"{side.faults:,} records with faults in {printable(side.name)}", "where", "id", "why")
    for fault in side.fault_examples:
        table.add_row(*(Text(printable(text)) for text in (fault.where, fault.id, fault.why)))
    return table


def _print_examples(console: Console, source: SourceComparison, words: dict[str, str]) -> None:
    if not source.examples:
        return
    console.print(Rule(Text(f"{source.name}: the first differences", style="bold"), align="left"))
    for example in source.examples:
        differs = ", ".join(change.what for change in example.changes)
        what = f"{words['differing']} {differs}" if example.outcome == "differing" else words[example.outcome]
        places = " / ".join(dict.fromkeys(place for place in (example.a, example.b) if place))
        title = Text(what, style="yellow").append(f"  {printable(places)}  id {printable(example.id)}", style="default")
        console.print(title, soft_wrap=True)
        for change in example.changes:
            _print_change(console, change)
        if example.text:
            console.print(Padding(Text(on_one_line(example.text)), (0, 0, 0, 2)))
    console.print()


def _print_change(console: Console, change: Change) -> None:
    about = f": {on_one_line(change.about)}" if change.about else ""
    console.print(Padding(Text(f"{change.what}{about}", style="dim"), (0, 0, 0, 2)))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("a", Text(on_one_line(change.a), style="cyan"))
    grid.add_row("b", Text(on_one_line(change.b), style="green"))
    console.print(Padding(grid, (0, 0, 0, 4)))
