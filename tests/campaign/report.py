"""What a campaign counts, as a file, as a table in the terminal, and as one in the documentation."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.table import Table

from tests.campaign.case import Outcome

MAX_FAULTS = 100
"""Faulty cases that a report keeps whole."""


class Row(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The cases of one group: how many came out how."""

    cases: int = 0
    results: dict[str, int] = {}
    faults: dict[str, int] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.cases += 1
        if outcome.result:
            self.results[outcome.result] = self.results.get(outcome.result, 0) + 1
        if outcome.fault:
            self.faults[outcome.fault] = self.faults.get(outcome.fault, 0) + 1


class KindReport(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The cases of a kind by group: where, from which seed and how long they ran, and those that went wrong."""

    seed: int
    commit: str
    python: str
    seconds: float = 0.0
    about: str
    groups: dict[str, Row] = {}
    faults: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Count a case."""
        self.groups.setdefault(outcome.group, Row()).add(outcome)
        if outcome.fault and len(self.faults) < MAX_FAULTS:
            self.faults.append(outcome)

    @property
    def num_faults(self) -> int:
        """Cases that went wrong."""
        return sum(sum(row.faults.values()) for row in self.groups.values())


Report = dict[str, KindReport]
"""By kind; one that is run again replaces what was counted of it before."""


def together(rows: Iterable[Row]) -> Row:
    """The sum of rows."""
    total = Row()
    for row in rows:
        total.cases += row.cases
        for name, count in row.results.items():
            total.results[name] = total.results.get(name, 0) + count
        for name, count in row.faults.items():
            total.faults[name] = total.faults.get(name, 0) + count
    return total


def listed(counts: dict[str, int]) -> str:
    """Counts in words, the largest first."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda one: -one[1])) or "0"


def cells(report: Report) -> list[list[str]]:
    """A row for each group, and one for all of a kind where it has several."""
    rows = []
    for kind, found in report.items():
        for group, row in sorted(found.groups.items()):
            rows.append([kind, group, *_counts(row)])
        if len(found.groups) > 1:
            rows.append([kind, "all", *_counts(together(found.groups.values()))])
    return rows


def _counts(row: Row) -> list[str]:
    return [f"{row.cases:,}", listed(row.results), listed(row.faults)]


HEAD = ("kind", "group", "cases", "came out", "faults")


def shown(report: Report) -> Table:
    """The table for a terminal."""
    table = Table(*HEAD, box=None)
    for row in cells(report):
        table.add_row(*row)
    return table


def load(path: Path) -> Report:
    """What was counted before; nothing where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Report) if path.is_file() else {}


def save(path: Path, report: Report) -> None:
    """Write what was counted, beside what the file has of other kinds."""
    merged = load(path) | report
    path.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=1) + b"\n")
