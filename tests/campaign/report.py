"""What a campaign counts, as a file, as a table in the terminal, and as one in the documentation."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.table import Table

from tests.campaign.case import Outcome
from tests.campaign.runner import kind_of

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


class Report(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A campaign: its seed, its rows by kind and group, and the cases that went wrong."""

    seed: int
    commit: str
    python: str
    seconds: float = 0.0
    kinds: dict[str, dict[str, Row]] = {}
    faults: list[Outcome] = []

    def add(self, kind: str, outcome: Outcome) -> None:
        """Count a case."""
        self.kinds.setdefault(kind, {}).setdefault(outcome.group, Row()).add(outcome)
        if outcome.fault and len(self.faults) < MAX_FAULTS:
            self.faults.append(msgspec.structs.replace(outcome, what=f"{kind}: {outcome.what}"))

    @property
    def num_faults(self) -> int:
        """Cases that went wrong."""
        return sum(sum(row.faults.values()) for rows in self.kinds.values() for row in rows.values())


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
    for kind, groups in report.kinds.items():
        for group, row in sorted(groups.items()):
            rows.append([kind, group, f"{row.cases:,}", listed(row.results), listed(row.faults)])
        if len(groups) > 1:
            total = together(groups.values())
            rows.append([kind, "all", f"{total.cases:,}", listed(total.results), listed(total.faults)])
    return rows


HEAD = ("kind", "group", "cases", "came out", "faults")


def shown(report: Report) -> Table:
    """The table for a terminal."""
    table = Table(*HEAD, box=None)
    for row in cells(report):
        table.add_row(*row)
    return table


def load(path: Path) -> Report:
    """A report that was written before."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def abouts(report: Report) -> dict[str, str]:
    """What each kind tries."""
    return {name: kind_of(name).about for name in report.kinds}
