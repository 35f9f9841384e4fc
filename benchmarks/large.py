"""A source of people's own with a million records and more, built in pieces by one machine, and by Ray on the same.

The records are made up: JSON Lines of short texts, about 400 bytes each, in one file; ids are unique, and the recipe
drops by a pattern and draws nine tenths. The files are deleted after. Both engines use two cores; Ray's seconds have
the start of a cluster in them.
"""

import shutil
import sys
from typing import NamedTuple

import numpy as np

from benchmarks.build import MIX, WORK
from benchmarks.measure import Cost, run
from benchmarks.results import write_section

SIZES = tuple(int(size) for size in sys.argv[1:]) or (1_000_000, 10_000_000)
MEMORY_LIMIT_GB = 4
_FOLDER = WORK / "large"
_WORDS = ("a red bus", "two dogs", "the old clock", "some green apples", "a man in a hat", "an empty street", "the sea")
_RECIPE = """
name: large
seed: 1
sources:
  - source: llava_json
    name: own
    files: {records: own.jsonl}
    steps:
      - drop_by_pattern: {pattern: "hat.*hat.*hat"}
      - sample: {fraction: 0.9}
      - add_prompt: short_answer
"""


class Row(NamedTuple):
    """A build of so many records."""

    records: int
    num_bytes: int
    local: Cost
    ray: Cost | None


def main() -> None:
    """Make, build, delete and write the section; sizes may be given."""
    rows = []
    for size in SIZES:
        num_bytes = _make(size)
        rows.append(Row(size, num_bytes, _build("local"), _build("ray") if size == min(SIZES) else None))
        shutil.rmtree(_FOLDER)
        print(rows[-1], file=sys.stderr)
    _write(rows)


def _make(size: int) -> int:
    """Write the records; gives the bytes of their file."""
    (_FOLDER / "raw").mkdir(parents=True, exist_ok=True)
    (_FOLDER / "recipe.yaml").write_text(_RECIPE)
    path, draw = _FOLDER / "raw" / "own.jsonl", np.random.default_rng(0)
    line = (
        '{"id": "%09d", "image": "pictures/%04d/%09d.jpg", "conversations": [{"from": "human", "value": '
        '"<image>\\\\nWhat does the picture show, and where is %s?"}, {"from": "gpt", "value": '
        '"It shows %s, %s and %s."}, '
        '{"from": "human", "value": "Is there %s as well?"}, {"from": "gpt", "value": "No, %s only."}]}\n'
    )
    with path.open("w") as file:
        for start in range(0, size, 100_000):
            words = draw.integers(0, len(_WORDS), (100_000, 6)).tolist()
            numbers = range(start, min(start + 100_000, size))
            file.writelines(
                line % (i, i % 5_000, i, *(_WORDS[k] for k in row)) for i, row in zip(numbers, words, strict=False)
            )
    return path.stat().st_size


def _build(engine: str) -> Cost:
    out = _FOLDER / "mixture"
    command = [MIX, "build", str(_FOLDER / "recipe.yaml"), "--raw", str(_FOLDER / "raw"), "--out", str(out)]
    cost = run([*command, "--jobs", "2", "--engine", engine])
    shutil.rmtree(out)
    return cost


def _write(rows: list[Row]) -> None:
    first = rows[0]
    lines = [
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        "| records | GB | seconds | records/s | processor s | a record, to the first | goal | peak GB | limit |",
        "|---:|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        against = row.local.cpu_s / row.records / (first.local.cpu_s / first.records)
        cells = [f"{row.records:,}", f"{row.num_bytes / 1e9:.2f}", f"{row.local.seconds:.0f}"]
        cells += [f"{row.records / row.local.seconds:,.0f}", f"{row.local.cpu_s:.0f}", f"{against:.2f}", "0.9 to 1.1"]
        cells += [f"{row.local.peak_bytes / 1e9:.2f}", f"{MEMORY_LIMIT_GB}"]
        lines.append(f"| {' | '.join(cells)} |")
    for row in rows:
        if row.ray:
            lines += [
                "",
                f"With `--engine ray`, {row.records:,} records take {row.ray.seconds:.0f} s, "
                f"{row.ray.seconds / row.local.seconds:.2f} times as long (goal: at most 1.3).",
            ]
    lines += ["", _ARITHMETIC]
    write_section(_TITLE, lines, libraries=("msgspec", "pyarrow", "ray"), command="python -m benchmarks.large")


_TITLE = "A source of millions of records"
_ARITHMETIC = """### 10^9 records on 100 nodes, by arithmetic

Not measured. 10^9 records of 400 bytes are 400 GB: 1,500 pieces of 256 MB, on 100 nodes of 16 processors one round of
1,600 tasks for each pass; a draw is one more pass.

- What moves between nodes is names and ranks, not records: 24 bytes a name (24 GB on the shared storage, twice)
  and 16 a rank. They are compared by ranges of eight million, about 250 MB at a time, by one task: that is 125 ranges,
  each of which opens 1,500 files, and the first thing that ends up slower than the rest.
- The driver holds, for each piece, its funnel and the numbers of its batches: some 2 KB, so 3 MB, and 15,259 shards of
  under 400 bytes: a manifest of 6 MB. It gives out 1,500 + 15,259 tasks; Ray starts several hundred a second.
- A file is hashed and indexed by one task: 400 GB in one file take seven minutes at 1 GB/s, in a hundred files seconds.
- It stops at the shared storage: every pass reads 400 GB, the rows are written twice and read once."""


if __name__ == "__main__":
    main()
