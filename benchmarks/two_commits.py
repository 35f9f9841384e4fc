"""Training at another commit and in this tree, in turns: `python -m benchmarks.two_commits COMMIT`.

Each run is a fresh process over the same models, examples and pictures, which the other commit makes, as newer code
reads what older code wrote; the libraries are those of this environment. The model is that of the benchmark on a CPU,
in float32; 64 examples are measured after two steps. Pictures of 640 x 480 are loaded by one core, decoding included.
The best of the rounds counts, as other work on the machine only slows a run.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.build import WORK
from benchmarks.results import write_section
from benchmarks.train_cpu import FOLDER

ROOT = Path(__file__).resolve().parent.parent
TREE, PACKAGE = WORK / "two_commits" / "tree", WORK / "two_commits" / "package"
ROUNDS = 3
KINDS = ("`grouped`", "`padding_free`", "`padding_free`, selective")
PATHS = ("`image_path: exact`", "`image_path: fast`")
_MAKE = "from benchmarks.train_cpu import prepare; prepare()"
_PICTURES = "import json; from benchmarks.train_parts import _images_per_second as f; print(json.dumps(f()))"
Speeds = dict[str, float]


def main(commit: str) -> None:
    """Check the other commit out, measure both in turns, write the table."""
    load = os.getloadavg()[0]
    _check_out(commit)
    theirs, ours = (dict(os.environ) | {"PYTHONPATH": f"{PACKAGE}:{TREE}"}, TREE), (dict(os.environ), ROOT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-c", _MAKE], check=True, cwd=TREE, env=theirs[0])
    before: list[Speeds] = []
    after: list[Speeds] = []
    for _ in range(ROUNDS):
        for found, (environment, tree) in ((before, theirs), (after, ours)):
            found.append(_measure(environment, tree=tree))
            print(f"{tree}: {found[-1]}", file=sys.stderr)
    shutil.rmtree(FOLDER)
    shutil.rmtree(TREE.parent)  # its link to what holds it would lead tools that walk the tree in circles
    write(before, after, commit=commit, load=load)


def _check_out(commit: str) -> None:
    """The other commit's files in a folder of their own, where they are the package; it shares what was made."""
    shutil.rmtree(TREE.parent, ignore_errors=True)
    TREE.mkdir(parents=True)
    PACKAGE.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(TREE)], check=True, input=archive)
    (PACKAGE / "mix665k").symlink_to(TREE)
    (TREE / "benchmarks/work").symlink_to(WORK)


def _measure(environment: dict[str, str], *, tree: Path) -> Speeds:
    """Examples a second of each kind, and pictures a second of each path."""

    def output(*arguments: str) -> Speeds:
        done = subprocess.run(
            [sys.executable, *arguments],
            check=True,
            cwd=tree,
            env=environment | {"CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        found: Speeds = json.loads(done.stdout.splitlines()[-1])
        return found

    speeds = {kind: output("-m", "benchmarks.train_cpu", kind, "fp32")["samples_per_s"] for kind in KINDS}
    pictures = output("-c", _PICTURES)
    return speeds | {path: pictures[path] for path in PATHS}


def write(before: list[Speeds], after: list[Speeds], *, commit: str, load: float) -> None:
    """The table: the best of the rounds, and the ratio of each round's two."""
    rows = []
    for name in (*KINDS, *PATHS):
        old, new = (max(one[name] for one in found) for found in (before, after))
        ratios = [b[name] / a[name] for a, b in zip(before, after, strict=True)]
        rows.append(f"| {name} | {old:.2f} | {new:.2f} | {new / old:.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")
    write_section(
        "Training at two commits",
        [
            (__doc__ or "").partition("\n\n")[2].strip(),
            "",
            f"The machine's load before it began: {load:.1f}; 0 is quiet. {ROUNDS} rounds.",
            "",
            f"| examples or pictures a second | {commit} | this tree | ratio | ratios of the rounds |",
            "|---|---:|---:|---:|---:|",
            *rows,
        ],
        libraries=("torch", "transformers", "pillow"),
        command=f"python -m benchmarks.two_commits {commit}",
    )


if __name__ == "__main__":
    main(sys.argv[1])
