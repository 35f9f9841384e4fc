"""Mutation testing of `builders/` and `mixtures/`: change the code in one small way, see whether a test fails.

`make mutants` draws mutants with cosmic-ray, as all of them would take days, runs the tests that mirror the mutated
file's folder against each, and prints the survivors: changes that no test notices. It works on a copy of the checkout.
"""

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGES = ("builders", "mixtures")
TIMEOUT_S = 300.0
"""A mutant whose tests take longer runs for ever: it counts as killed."""


class Mutant(NamedTuple):
    """One change that cosmic-ray can make: the `occurrence`-th of its kind in a file."""

    path: str
    operator: str
    occurrence: int
    line: int


class Verdict(NamedTuple):
    """What became of a mutant; `diff` is the change."""

    mutant: Mutant
    outcome: str
    diff: str


def mutants(folder: Path, packages: tuple[str, ...]) -> list[Mutant]:
    """Every mutant of the packages below `folder`, in the order of files and lines.

    `X | Y` is not mutated: nearly all of them are annotations.
    """
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB

    files = [path for package in packages for path in sorted((folder / package).rglob("*.py"))]
    with tempfile.TemporaryDirectory() as work:
        database = WorkDB(Path(work) / "all.sqlite", WorkDB.Mode.create)
        init([path.relative_to(folder) for path in files], database, {})
        found = [
            Mutant(str(one.module_path), one.operator_name, one.occurrence, one.start_pos[0])
            for item in database.work_items
            for one in item.mutations
            if "BitOr" not in one.operator_name
        ]
        database.close()
    return sorted(found)


def tests_of(path: str) -> str:
    """The test files that mirror a file's folder: `mixtures/diff/x.py` is tested by `tests/mixtures/diff/test_*.py`."""
    mirrored = Path("tests") / Path(path).parent
    while not (files := sorted((ROOT / mirrored).glob("test_*.py"))):
        mirrored = mirrored.parent
    return " ".join(str(file.relative_to(ROOT)) for file in files)


def enter(copy: Path) -> None:
    """Let this process, and the tests that it starts, import `mix665k` from a copy."""
    os.chdir(copy)
    os.environ["PYTHONPATH"] = f"{copy / '.mypy'}{os.pathsep}{copy}"


def test_command(files: str) -> str:
    """The command that runs test files until one fails."""
    return f"{sys.executable} -m pytest -x -q -p no:cacheprovider {files}"


def judge(share: list[Mutant], copy: Path) -> list[Verdict]:
    """Make each of these mutants in a copy of the checkout, one after the other, and run its tests.

    Raises:
        RuntimeError: when the tests fail without a mutant; every mutant would count as killed then.
    """
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_item import MutationSpec

    enter(copy)
    verdicts: list[Verdict] = []
    passed: set[str] = set()
    for one in share:
        command = test_command(tests_of(one.path))
        if command not in passed:
            done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{command} fails without a mutant:\n{done.stdout[-3000:]}")
            passed.add(command)
        spec = MutationSpec(Path(one.path), one.operator, one.occurrence, (one.line, 0), (one.line, 1))
        result = mutate_and_test([spec], command, TIMEOUT_S)
        verdicts.append(Verdict(one, getattr(result.test_outcome, "value", "none"), result.diff or ""))
        print(f"{verdicts[-1].outcome}: {one.path}:{one.line} {one.operator}", file=sys.stderr, flush=True)
    return verdicts


def copies(count: int, work: Path) -> Iterator[Path]:
    """Copies of the tracked files, each importable as `mix665k` through its own `.mypy/mix665k`."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for number in range(count):
        copy = work / str(number) / "checkout"
        for name in filter(None, tracked.decode().split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
        if (shared := ROOT.parent / "shared").is_dir():
            (copy.parent / "shared").symlink_to(shared.resolve())
        yield copy


def main() -> int:
    """Draw mutants, judge them side by side, print the survivors and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), help="folders to mutate")
    parser.add_argument("--sample", type=int, default=200, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.chdir(ROOT)
    every = mutants(ROOT, tuple(options.packages))
    drawn = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as work, ProcessPoolExecutor(options.jobs) as pool:
        shares = [drawn[number :: options.jobs] for number in range(options.jobs)]
        running = [
            pool.submit(judge, share, copy)
            for share, copy in zip(shares, copies(options.jobs, Path(work)), strict=True)
        ]
        for one in running:
            verdicts += one.result()
    survivors = [one for one in verdicts if one.outcome == "survived"]
    for verdict in sorted(survivors):
        print(f"survived: {verdict.mutant.path}:{verdict.mutant.line} {verdict.mutant.operator}\n{verdict.diff}\n")
    counts = Counter(one.mutant.path.partition("/")[0] for one in verdicts)
    alive = Counter(one.mutant.path.partition("/")[0] for one in survivors)
    for package, count in sorted(counts.items()):
        print(f"{package}: {count - alive[package]} of {count} killed ({1 - alive[package] / count:.0%})")
    print(f"{len(every):,} mutants in all; drawn with seed {options.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
