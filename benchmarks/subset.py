"""`mix select` at full size: 133,000 records of 665,298, every one of them the right one, within a minute.

The mixture is made up, but its ids and images are repeated as those of the published file are: 389,722 distinct ids, of
which 87,738 are of several records. The rival is the lookup that scripts use: a dict by id and image in which the last
record wins, in plain Python over the JSON file; it is measured in the same run, and its wrong rows are counted.
"""

import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.build import MIX, WORK
from benchmarks.identities import write_identities
from benchmarks.measure import Cost, run
from benchmarks.results import write_section
from mix665k.schemas.manifest import MANIFEST, load_manifest

FOLDER = WORK / "subset"
MIXTURE, EXPORT, SUBSET, REPORT = (FOLDER / name for name in ("mixture", "all.json", "subset.json", "report.json"))
SELECTED, WHERE = FOLDER / "selected", FOLDER / "rows.json"
CHOSEN = 133_000
TIME_LIMIT_S = 60
MEMORY_LIMIT_GB = 3
_RIVAL = """
import json, sys

with open(sys.argv[1], "rb") as file:
    records = json.load(file)
lookup = {}
for row, one in enumerate(records):
    lookup[str(one["id"])] = row
    if one.get("image"):
        lookup[one["image"]] = row
with open(sys.argv[2], "rb") as file:
    asked = json.load(file)
with open(sys.argv[3], "rb") as file:
    rows = json.load(file)
found = [lookup.get(str(one["id"]), lookup.get(one.get("image"))) for one in asked]
wrong = sum(row != right for row, right in zip(found, rows))
print(json.dumps({"wrong": wrong, "distinct": len(set(found))}))
"""


class Way(NamedTuple):
    """A way to name the same records: its file, and what selecting by it took."""

    file: Path
    cost: Cost


def main() -> None:
    """Make what is missing, select in each way and by the rival, write the page."""
    _make()
    load = os.getloadavg()[0]
    ways = {"full records": Way(SUBSET, _select(SUBSET, SELECTED))}
    whole = load_manifest(SELECTED).row_hash
    for form in ("positions", "ids", "hashes"):
        names = FOLDER / f"{form}.txt.gz"
        of = ["--of", str(MIXTURE)] if form == "positions" else []
        run([MIX, "export", str(SELECTED), "--format", form, "--out", str(names), "--overwrite", *of])
        ways[form] = Way(names, _select(names, FOLDER / form))
        if load_manifest(FOLDER / form).row_hash != whole:
            raise SystemExit(f"selected by {form}: not the same rows as by full records")
    rival = run([sys.executable, "-c", _RIVAL, str(EXPORT), str(SUBSET), str(WHERE)], out=REPORT)
    _write(ways, rival, json.loads(REPORT.read_bytes()), load=load)


def _make() -> None:
    if not (MIXTURE / MANIFEST).is_file():
        shutil.rmtree(FOLDER, ignore_errors=True)
        write_identities(MIXTURE)
    if not EXPORT.is_file():
        run([MIX, "export", str(MIXTURE), "--format", "llava", "--out", str(EXPORT)])
    lines = [line.rstrip(b",") for line in EXPORT.read_bytes().split(b"\n")[1:-2]]
    rows = random.Random(0).sample(range(len(lines)), CHOSEN)
    SUBSET.write_bytes(b"[\n" + b",\n".join(lines[row] for row in rows) + b"\n]\n")
    WHERE.write_text(json.dumps(rows))


def _select(by: Path, out: Path) -> Cost:
    """Select by a file; every entry must be found."""
    shutil.rmtree(out, ignore_errors=True)
    cost = run([MIX, "select", str(MIXTURE), "--by", str(by), "--out", str(out), "--format", "json"], out=REPORT)
    total = json.loads(REPORT.read_bytes())["total"]
    if (total["exact"], total["selected"]) != (CHOSEN, CHOSEN):
        raise SystemExit(f"{by}: {total}")
    print(f"by {by.name}: {cost.seconds:.1f} s", file=sys.stderr)
    return cost


def _write(ways: dict[str, Way], rival: Cost, lookup: dict[str, int], *, load: float) -> None:
    wrong = lookup["wrong"] / CHOSEN
    records = load_manifest(MIXTURE).conversations
    lines = [
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        f"The machine's load before it began: {load:.1f}; 0 is quiet, others' work makes the seconds more, those of "
        "the processor less so.",
        "",
        "| | s | goal, s | processor, s | peak memory, GB | goal, GB | wrong rows |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (_, cost) in ways.items():
        times = f"{cost.seconds:.1f} | ≤ {TIME_LIMIT_S} | {cost.cpu_s:.1f}"
        lines.append(f"| by {name} | {times} | {cost.peak_bytes / 1e9:.2f} | ≤ {MEMORY_LIMIT_GB} | 0 |")
    lines += [
        f"| dict by id or image | {rival.seconds:.1f} | | {rival.cpu_s:.1f} | {rival.peak_bytes / 1e9:.2f} | "
        f"| {lookup['wrong']:,} ({wrong:.1%}) |",
        "",
        f"{CHOSEN:,} of {records:,} records were drawn at random. `mix select` checks the mixture and writes another; "
        f"the dict only looks rows up, and names {lookup['distinct']:,} distinct ones. What is selected by positions, "
        "ids or hashes is what is selected by full records, row hash for row hash. The files, in MB:",
        "",
        "| " + " | ".join(ways) + " |",
        "|" + "---:|" * len(ways),
        "| " + " | ".join(f"{way.file.stat().st_size / 1e6:,.2f}" for way in ways.values()) + " |",
    ]
    write_section(
        "Selecting a subset", lines, libraries=("polars", "msgspec", "pyarrow"), command="python -m benchmarks.subset"
    )


if __name__ == "__main__":
    main()
