"""Selecting in a test, and looking at what was selected."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.select.report import SelectionReport, require_resolved
from mix665k.mixtures.select.run import Files, find, write_selection
from mix665k.mixtures.terminal import no_bar
from mix665k.schemas.recipe import Select


def select(mixture: Path, by: Path, out: Path | None = None, **options: Any) -> SelectionReport:
    """What `mix select` finds, and writes where there is an `out`."""
    published = options.pop("published", None)
    asked = msgspec.convert({"by": str(by), **options}, Select)
    opened = Mixture.open(mixture)
    found = find(opened, Files(by, published), asked, bar=no_bar)
    require_resolved(found.report, asked)
    return found.report if out is None else write_selection(opened, found, out, bar=no_bar)


def ids(mixture: Path) -> list[str]:
    """The ids of a mixture's records."""
    return [one.id for one in Mixture.open(mixture).records()]


def drawn(count: int, of: int, seed: int = 0) -> list[int]:
    """Some places in a list, in no order."""
    return random.Random(seed).sample(range(of), count)


def written(path: Path, content: Any) -> Path:
    """A file of JSON, or of text as it is."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def lines(path: Path, *rows: Any) -> Path:
    """A file of JSON lines."""
    return written(path, "".join(f"{json.dumps(row)}\n" for row in rows))
