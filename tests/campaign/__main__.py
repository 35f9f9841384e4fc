"""The campaign from the command line; see the package."""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from tests.builders.building import ROOT
from tests.campaign.report import KindReport, save, shown
from tests.campaign.runner import MODULES, kind_of, run_cases


def main() -> int:
    """Run the kinds that are asked for, one after the other; 1 when a case went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--kind", action="append", choices=MODULES, help="only this kind; several times for several")
    parser.add_argument("--cases", type=int, help="cases of each kind; by default those of a full campaign")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="begin at this case, to run one again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="begin no case after this time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write the counts there")
    parser.add_argument("--keep", type=Path, default=Path("campaign-faults"), help="folder for inputs that went wrong")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    console, report = Console(stderr=True), {}
    for module in options.kind or MODULES:
        report[module] = run_kind(module, options, until=until, console=console)
        if options.report:
            save(options.report, report)
    Console().print(shown(report))
    if num_faults := sum(found.num_faults for found in report.values()):
        console.print(f"{num_faults:,} faults; their inputs are in {options.keep}", highlight=False)
    return 1 if num_faults else 0


def run_kind(module: str, options: argparse.Namespace, *, until: float, console: Console) -> KindReport:
    """Run the cases of a kind with a bar, and a line for each that went wrong."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kind, begun = kind_of(module), time.monotonic()
    count = options.cases or kind.cases
    found = KindReport(
        seed=options.seed, commit=commit.stdout.strip(), python=platform.python_version(), about=kind.about
    )
    numbers = (number for number in range(options.first, options.first + count) if time.monotonic() < until)
    with Progress(console=console) as progress:
        task = progress.add_task(module, total=count)
        for outcome in run_cases(module, numbers, seed=options.seed, jobs=options.jobs, keep=options.keep):
            found.add(outcome)
            progress.advance(task)
            if outcome.fault:
                line = f"{module} {outcome.number}: {outcome.fault}: {outcome.group}: {outcome.what}"
                progress.console.print(escape(line)[:300], highlight=False)
    found.seconds = round(time.monotonic() - begun, 1)
    return found


if __name__ == "__main__":
    sys.exit(main())
