"""`mix verify --against` at full size: it must find exactly what was altered in a reference file, within a minute.

The reference is the mixture's own export of made-up files of the real size (`mix synth --scale 1`), altered in known
ways. The rival reads the export and the reference with `json.load` and counts the equal records in plain Python, which
does not say what differs; it is measured in the same run.
"""

import json
import os
import sys
from collections import Counter
from typing import Any

from benchmarks.alterations import Altered, altered, found_by
from benchmarks.build import MIX, RAW, RECIPE, WORK, real_tokenizer
from benchmarks.measure import Cost, run
from benchmarks.results import write_section
from mix665k.schemas.manifest import MANIFEST, load_manifest

MIXTURE = WORK / "mixture"
FOLDER = WORK / "compare"
EXPORT, REFERENCE, REPORT = (FOLDER / name for name in ("exported.json", "reference.json", "report.json"))
EACH = 20
"""Records of each source that are altered in each way."""
TIME_LIMIT_S = 60
MEMORY_LIMIT_GB = 3
_RIVAL = """
import json, sys
from collections import Counter

def load(path):
    with open(path, "rb") as file:
        return json.load(file)

def known(records):
    return Counter(
        (str(one["id"]), one.get("image"), tuple(turn["value"] for turn in one["conversations"])) for one in records
    )

print(sum((known(load(sys.argv[1])) & known(load(sys.argv[2]))).values()))
"""


def main() -> None:
    """Make what is missing, alter the reference, measure both commands and the rival, write the page."""
    _make()
    made = _alter()
    load = os.getloadavg()[0]
    commands = {
        "`mix verify --against`": [MIX, "verify", str(MIXTURE), "--against", str(REFERENCE), "--format", "json"],
        "`mix diff`": [MIX, "diff", str(MIXTURE), str(REFERENCE), "--format", "json"],
    }
    costs: dict[str, Cost] = {}
    for name, command in commands.items():
        costs[name] = run(command, out=REPORT, codes=(1,))
        report = json.loads(REPORT.read_bytes())
        _require_found(name, report.get("against") or report, made)
        print(f"{name}: {costs[name].seconds:.1f} s, all alterations found and no other", file=sys.stderr)
    rival = run([sys.executable, "-c", _RIVAL, str(EXPORT), str(REFERENCE)])
    _write(made, costs, rival=rival, load=load)


def _make() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (RAW / "MADE-UP.txt").is_file():
        run([MIX, "synth", "--out", str(RAW), "--scale", "1"])
    if not (MIXTURE / MANIFEST).is_file():
        tokenizer = str(real_tokenizer())
        run([MIX, "build", str(RECIPE), "--raw", str(RAW), "--out", str(MIXTURE), "--tokenizer", tokenizer])
    run([MIX, "export", str(MIXTURE), "--format", "llava", "--out", str(EXPORT), "--overwrite"])


def _alter() -> Altered:
    lines = [line.rstrip(b",") for line in EXPORT.read_bytes().split(b"\n")[1:-2]]
    made = altered(lines, {one.name: one.conversations for one in load_manifest(MIXTURE).sources}, each=EACH)
    with REFERENCE.open("wb") as file:
        file.write(b"[\n" + b",\n".join(made.lines) + b"\n]\n")
    return made._replace(lines=[])


def _require_found(name: str, report: dict[str, Any], made: Altered) -> None:
    """The report tells exactly the alterations."""
    found = found_by(report)
    wrong = {
        source: (found.get(source), expected)
        for source, expected in made.expected.items()
        if found.get(source, Counter()) != expected
    }
    others = found.keys() - made.expected.keys()
    faults = report["b"]["faults"]
    if wrong or others or faults != made.faults:
        raise SystemExit(f"{name}: found and altered are not the same: {wrong}, {others}, faults {faults}")


def _write(made: Altered, costs: dict[str, Cost], *, rival: Cost, load: float) -> None:
    counts = sum(made.expected.values(), Counter())
    lines = [
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        f"The machine's load before it began: {load:.1f}; 0 is quiet, others' work makes the seconds more, those of "
        "the processor less so.",
        "",
        "| | s | goal, s | processor, s | against the rival | peak memory, GB | goal, GB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, cost in costs.items():
        times = f"{cost.seconds:.1f} | ≤ {TIME_LIMIT_S} | {cost.cpu_s:.1f} | {cost.seconds / rival.seconds:.2f}"
        lines.append(f"| {name} | {times} | {cost.peak_bytes / 1e9:.2f} | ≤ {MEMORY_LIMIT_GB} |")
    lines += [
        f"| rival | {rival.seconds:.1f} | | {rival.cpu_s:.1f} | 1 | {rival.peak_bytes / 1e9:.2f} | |",
        "",
        f"The mixture has {load_manifest(MIXTURE).conversations:,} records, the reference "
        f"{REFERENCE.stat().st_size / 1e6:,.0f} MB. `mix verify` checks the mixture before it compares. Memory is "
        "summed over all processes (PSS).",
        "",
        f"Both reports listed exactly what was altered, up to {EACH} records of each source in each way; "
        f"{made.faults} records with faults were counted and left out:",
        "",
        "| reported as | records |",
        "|---|---:|",
        *(f"| {what} | {count:,} |" for what, count in counts.most_common()),
    ]
    write_section(
        "Comparing with a published file",
        lines,
        libraries=("polars", "msgspec"),
        command="python -m benchmarks.compare",
    )


if __name__ == "__main__":
    main()
