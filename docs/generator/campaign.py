"""What the campaign of faults and hostile inputs tried and what came out, as it was last recorded."""

from docs.generator.recordings import RECORDED
from docs.generator.tables import table
from tests.campaign.report import Report, listed, load, together

RECORDED_CAMPAIGN = RECORDED / "campaign.json"
"""`python -m tests.campaign --report docs/recorded/campaign.json` writes it."""


def campaign(kind: str) -> str:
    """The table of all kinds, or of one kind's groups."""
    report = load(RECORDED_CAMPAIGN)
    return _kinds(report) if kind == "all" else _groups(report, kind)


def _kinds(report: Report) -> str:
    rows = []
    for name, found in report.items():
        total = together(found.groups.values())
        cells = [f"{total.cases:,}", listed(total.results), listed(total.faults)]
        rows.append([name, found.about, *cells, f"seed {found.seed} at {found.commit}"])
    return table(["kind", "what was tried", "cases", "came out", "faults", "recorded"], rows)


def _groups(report: Report, kind: str) -> str:
    groups = sorted(report[kind].groups.items())
    rows = [[name, f"{row.cases:,}", listed(row.results), listed(row.faults)] for name, row in groups]
    return table(["", "cases", "came out", "faults"], rows)
