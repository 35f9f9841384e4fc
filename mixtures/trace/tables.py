"""A traced record as a person reads it; long JSON is cut to what the pair is about."""

import json
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mix665k.mixtures.trace.lineage import RawRecord, TracedPair, TracedRecord
from mix665k.schemas.conversation import in_order
from mix665k.schemas.terminal import printable

MAX_CHARS = 300
MAX_ITEMS = 6
_INDENT = 2


def narrowed(record: Any, items: Mapping[str, list[int]]) -> Any:
    """A record with the given items of its lists only."""
    if not isinstance(record, dict):
        return record
    return {
        key: [value[i] for i in items[key] if i < len(value)] if key in items else value
        for key, value in record.items()
    }


def shortened(value: Any) -> Any:
    """The same with the ends of long texts and lists left out, and how much that is."""
    if isinstance(value, str):
        return short_text(value)
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        more = [f"… {len(value) - MAX_ITEMS:,} more"] if len(value) > MAX_ITEMS else []
        return [shortened(one) for one in value[:MAX_ITEMS]] + more
    return value


def short_text(text: str) -> str:
    """A text, without its end where it is long."""
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}… {len(text) - MAX_CHARS:,} more characters"


def as_json(value: Any, *, width: int, indent: int = 0) -> str:
    """JSON whose objects, and lists of such, stand on one line where they fit in `width` characters."""
    flat = json.dumps(value, ensure_ascii=False, default=str)
    nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict | list) for one in value))
    if not nested or len(flat) + indent <= width:
        return flat
    inside = indent + _INDENT
    if isinstance(value, dict):
        keys = {json.dumps(str(key), ensure_ascii=False): one for key, one in value.items()}
        lines = [f"{key}: {as_json(one, width=width - len(key) - 2, indent=inside)}" for key, one in keys.items()]
    else:
        lines = [as_json(one, width=width, indent=inside) for one in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    body = ",\n".join(f"{' ' * inside}{line}" for line in lines)
    return f"{left}\n{body}\n{' ' * indent}{right}"


_MARGIN = 4


def print_trace(console: Console, found: TracedRecord) -> None:
    """Print the record, the raw files behind it, then pair by pair what it was made of."""
    console.print(Rule(Text(printable(found.id), style="bold"), align="left"))
    about = _grid()
    for k, image in enumerate(in_order(found.image, found.more_images) or ["none"]):
        about.add_row("" if k else "image", Text(printable(image)))
    if found.system is not None:
        about.add_row("system", Text(printable(found.system)))
    about.add_row("source", Text(found.source))
    about.add_row("reference id", Text(printable(found.reference_id)))
    for k, step in enumerate(found.steps):
        words = f": {step.words}" if step.words else ""
        about.add_row("" if k else "steps", Text(printable(f"{step.done}{words}")))
    for k, (path, (roles, sha256)) in enumerate(_files(found).items()):
        about.add_row("" if k else "raw files", Text(printable(f"{path} ({roles})")))
        about.add_row("sha256", sha256)
    console.print(about)
    all_roles = [file.role for file in found.files]
    in_parts = {role for role in all_roles if all_roles.count(role) > 1}
    for number, pair in enumerate(found.pairs):
        _print_pair(console, number, pair, in_parts=in_parts)
    for fault in found.faults:
        console.print(Text(printable(fault), style="red"), soft_wrap=True)


def _files(found: TracedRecord) -> dict[str, tuple[str, str]]:
    """The roles and the hash of each raw file; several parts of one may have a role each."""
    roles: dict[str, list[str]] = {}
    hashes = {file.path: file.sha256 for file in found.files}
    for file in found.files:
        roles.setdefault(file.path, []).append(file.role)
    return {path: (", ".join(roles[path]), sha256) for path, sha256 in hashes.items()}


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _print_pair(console: Console, number: int, pair: TracedPair, *, in_parts: Collection[str]) -> None:
    console.print()
    console.print(Text(f"pair {number}", style="bold"))
    grid = _grid()
    grid.add_row("human", Text(printable(short_text(pair.question)), style="cyan"))
    grid.add_row("gpt", Text(printable(short_text(pair.answer)), style="green"))
    grid.add_row("origin", Text(printable(pair.origin)))
    console.print(Padding(grid, (0, 0, 0, 2)))
    for one in pair.raw:
        console.print(Padding(_raw_line(one, in_parts), (0, 0, 0, 2)))
        if one.where is not None:
            record = shortened(narrowed(one.record, one.items or {}))
            text = as_json(record, width=console.width - _MARGIN)
            console.print(Padding(Text(printable(text)), (0, 0, 0, _MARGIN)))


def _raw_line(one: RawRecord, in_parts: Collection[str]) -> Text:
    """Which record of which file, and where it stands there."""
    identifier = "from the record above" if one.id is None else one.id
    line = Text.assemble((one.role, "bold"), f"  {one.id_name} {printable(identifier)}")
    if one.where is not None:
        places = [f"{field}[{i}]" for field, numbers in (one.items or {}).items() for i in numbers]
        part = f"{PurePath(one.path).name}: " if one.role in in_parts else ""
        line.append(printable(f"  at {part}{one.where}{''.join(f', {place}' for place in places)}"), style="dim")
    elif one.optional:
        line.append("  perhaps none", style="dim")
    return line
