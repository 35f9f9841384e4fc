"""The campaign from the command line; see the package."""

import argparse
import os
import platform
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from tests.builders.building import ROOT
from tests.campaign.report import Report, shown
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
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    report = Report(seed=options.seed, commit=commit.stdout.strip(), python=platform.python_version())
    begun = time.monotonic()
    until = begun + 60 * options.minutes if options.minutes else float("inf")
    console = Console(stderr=True)
    for module in options.kind or MODULES:
        count = options.cases or kind_of(module).cases
        numbers = islice(iter(range(options.first, options.first + count)), count)
        with Progress(console=console) as progress:
            task = progress.add_task(module, total=count)
            in_time = (number for number in numbers if time.monotonic() < until)
            for outcome in run_cases(module, in_time, seed=options.seed, jobs=options.jobs, keep=options.keep):
                report.add(module, outcome)
                progress.advance(task)
                if outcome.fault:
                    line = f"{module} {outcome.number}: {outcome.fault}: {outcome.group}: {outcome.what}"
                    progress.console.print(escape(line)[:300], highlight=False)
    report.seconds = round(time.monotonic() - begun, 1)
    Console().print(shown(report))
    if options.report:
        options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if report.num_faults:
        console.print(f"{report.num_faults:,} faults; the inputs are in {options.keep}", highlight=False)
    return 1 if report.num_faults else 0


if __name__ == "__main__":
    sys.exit(main())
