"""Pieces of Markdown."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.results import RESULTS, read_sections

_WIDTH = 88


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def block(language: str, text: str, *, title: str = "") -> str:
    """A fenced code block."""
    fence = "````" if "```" in text else "```"
    named = f' title="{title}"' if title else ""
    return f"{fence}{language}{named}\n{text.rstrip()}\n{fence}"


def result(title: str) -> str:
    """A section of the benchmarks' results."""
    return read_sections(RESULTS)[title]


def readable_json(value: Any, *, indent: int = 0) -> str:
    """JSON in which whatever fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= _WIDTH or not isinstance(value, list | dict) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {readable_json(one, indent=indent + 2)}"
            for key, one in value.items()
        ]
        start, stop = "{", "}"
    else:
        parts = [readable_json(one, indent=indent + 2) for one in value]
        start, stop = "[", "]"
    body = f",\n{inner}".join(parts)
    return f"{start}\n{inner}{body}\n{' ' * indent}{stop}"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
