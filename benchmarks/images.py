"""`mix images` against what the same cores can decode.

The rival is the plain upper bound: as many processes as `--jobs`, each decoding its share with Pillow in a bare loop,
once at full size as a trainer does, once at an eighth as `mix images` itself does, which reads all bits of a JPEG too.
Both sides read the same files from a warm page cache, in turns, the best of three; starting Python counts on both.
Core seconds are user and system time of all processes: they are comparable even if others use the machine.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image

from benchmarks.measure import Cost, run
from benchmarks.results import write_section
from mix665k.builders.published import IMAGE_NAMES

HERE = Path(__file__).parent
WORK = HERE / "work" / "images"
MIX = str(Path(sys.executable).with_name("mix"))
SIZE_PX = (640, 480)
NUM_FILES = 4_000
POLL_S = 0.05
NUM_NAMES = 20_000
"""Names in a round: further folders are links to the first, which holds the files."""
ROUNDS = 3
GOAL = 0.8
_LOOP = """
import sys
from PIL import Image
for path in open(sys.argv[1]).read().splitlines():
    picture = Image.open(path)
    if sys.argv[2] == "eighth":
        picture.draft(None, (1, 1))
    picture.load()
"""


class Spent(NamedTuple):
    """What commands took side by side: seconds on the clock, and of all cores together."""

    seconds: float
    core_s: float

    @classmethod
    def best(cls, rounds: Sequence["Spent"]) -> "Spent":
        """The least of each."""
        return cls(min(one.seconds for one in rounds), min(one.core_s for one in rounds))


def main() -> None:
    """Make the files if they are missing, measure both sides, write the table."""
    if not (WORK / "0").is_dir():
        draw_files(WORK / "0")
    jobs = os.cpu_count() or 1
    names = _name(NUM_NAMES)
    commands = {
        f"`mix images --jobs {jobs}`": [_command(names, jobs)],
        "bare loops, full size": _loops(names, jobs, "full"),
        "bare loops, an eighth": _loops(names, jobs, "eighth"),
    }
    _spend(commands["bare loops, an eighth"])  # warms the page cache
    rounds = [{what: _spend(started) for what, started in commands.items()} for _ in range(ROUNDS)]
    spent = {what: Spent.best([one[what] for one in rounds]) for what in commands}
    _write(spent, run(_command(_name(IMAGE_NAMES), jobs)))


def draw_files(folder: Path) -> None:
    """Make the files."""
    grain = np.random.default_rng(0).normal(0, 12, (*SIZE_PX[::-1], 1))
    folder.mkdir(parents=True)
    for i in range(NUM_FILES):
        _draw(folder / f"{i:012d}.jpg", np.roll(grain, i * 101, axis=(0, 1)), seed=i)


def _name(count: int) -> list[str]:
    """So many names of the files."""
    for k in range(1, count // NUM_FILES + 1):
        if not (WORK / str(k)).exists():
            (WORK / str(k)).symlink_to("0", target_is_directory=True)
    return [f"{i // NUM_FILES}/{i % NUM_FILES:012d}.jpg" for i in range(count)]


def _draw(path: Path, grain: "np.typing.NDArray[np.float64]", *, seed: int) -> None:
    """Colours that run into each other, with the grain of a photograph: about as many bytes as one of COCO's."""
    blocks = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(blocks).resize(SIZE_PX, Image.Resampling.BICUBIC))
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, "JPEG", quality=90)


def _command(names: list[str], jobs: int) -> list[str]:
    turns = [{"from": "human", "value": "<image>\nWhat is this?"}, {"from": "gpt", "value": "Noise."}]
    mixture = WORK / f"{len(names)}.json"
    mixture.write_text(json.dumps([{"id": name, "image": name, "conversations": turns} for name in names]))
    return [MIX, "images", str(mixture), "--images", str(WORK), "--jobs", str(jobs)]


def _loops(names: list[str], jobs: int, size: str) -> list[list[str]]:
    shares = [WORK / f"share-{k}.txt" for k in range(jobs)]
    for k, share in enumerate(shares):
        share.write_text("\n".join(str(WORK / name) for name in names[k::jobs]))
    return [[sys.executable, "-c", _LOOP, str(share), size] for share in shares]


def _spend(commands: list[list[str]]) -> Spent:
    begun = time.perf_counter()
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    core_s: dict[int, float] = {}
    while any(process.poll() is None for process in started):
        for process in started:
            core_s |= _core_seconds(process.pid)
        time.sleep(POLL_S)
    if any(process.returncode for process in started):
        raise SystemExit(f"{commands[0]}: failed")
    spent = Spent(time.perf_counter() - begun, sum(core_s.values()))
    print(f"{commands[0][-1]}: {spent}", file=sys.stderr)
    return spent


def _core_seconds(root: int) -> dict[int, float]:
    """User and system time of a process and all below it, by their ids."""
    try:
        tree = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
        return {process.pid: sum(process.cpu_times()[:2]) for process in tree}
    except psutil.Error:
        return {}


def _write(spent: dict[str, Spent], full_scale: Cost) -> None:
    num_bytes = sum(path.stat().st_size for path in (WORK / "0").iterdir()) / NUM_FILES
    ours = next(iter(spent.values()))
    clock = "; ".join(f"{what} {one.seconds:.1f} s" for what, one in spent.items())
    rows = [
        f"| {what} | {one.core_s:.1f} | {NUM_NAMES / one.core_s:,.0f} | {one.core_s / ours.core_s:.2f} |"
        for what, one in spent.items()
    ]
    write_section(
        "Checking images",
        [
            (__doc__ or "").partition("\n\n")[2].strip(),
            "",
            f"{NUM_NAMES:,} names of {NUM_FILES:,} made-up JPEGs, {SIZE_PX[0]} x {SIZE_PX[1]}, "
            f"{num_bytes / 1e3:.0f} KB each:",
            "",
            "| | core seconds | images per core second | its core seconds / ours |",
            "|---|---:|---:|---:|",
            *rows,
            "",
            f"The goal is {GOAL} of the bare loops at full size.",
            "",
            f"On the clock, whatever else was running: {clock}.",
            "",
            f"As many names as the published file has images, {IMAGE_NAMES:,}: {full_scale.seconds:.0f} s and "
            f"{full_scale.peak_bytes / 1e9:.2f} GB, summed over all processes (PSS).",
        ],
        libraries=("pillow",),
        command="python -m benchmarks.images",
    )


if __name__ == "__main__":
    main()
