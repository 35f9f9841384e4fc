"""Commands that write onto full disks, without rights, and two at once."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.commands import ended, start
from tests.campaign.kills import out_of, whole
from tests.campaign.workplace import WRITING, leftovers, workplace

_RIGHTS = "-dac_override,-dac_read_search"
_LIKE_OTHERS = ("setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}")
"""Starts a command without what lets root write and read everywhere."""
_ON_DISK = """
mount -t tmpfs -o size=$1 tmpfs "$2" || exit 9; disk=$2; listed=$3; shift 3; "$@"; code=$?
find "$disk" > "$listed"; exit $code
"""
"""Run a command with a small disk in a folder, and list what it has left there."""
_READING = ("inspect", "verify", "diff", "sources", "steps")


def make(number: int, seed: int, folder: Path) -> Case:
    """A command, and what it lacks."""
    rng = Random(f"disk/{seed}/{number}")
    ways: tuple[Callable[[Random, Path], Case], ...] = (
        _small_disk,
        _small_files,
        _full_output,
        _no_rights,
        _two_at_once,
    )
    return ways[number % len(ways)](rng, folder)


def _writing(rng: Random) -> str:
    return rng.choice([name for name in WRITING if name != "fetch"])


def _small_disk(rng: Random, folder: Path) -> Case:
    """A disk of its own, of a few hundred kilobytes; what is left on it is listed before it goes."""
    name, size = _writing(rng), rng.choice((16, 64, 200, 500, 1_500))
    disk, listed = folder / "disk", folder / "listed"

    def judge() -> Verdict:
        if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
            return Verdict("passed", None, "no namespaces here")
        disk.mkdir()
        out = disk / out_of(name, disk, prepared=False).name
        before = ("unshare", "-Urm", "sh", "-c", _ON_DISK, "sh", f"{size}k", str(disk), str(listed))
        done = ended(WRITING[name].start(out, before=before))
        verdict = done.verdict(finds=True)
        left = [line for line in listed.read_text().splitlines() if line.endswith((".part", ".tmp"))]
        if verdict.fault is None and left and done.code:
            return Verdict(verdict.result, "leftover", ", ".join(left))
        return verdict

    return Case("full disk", f"{name}: {size} kB", judge)


def _small_files(rng: Random, folder: Path) -> Case:
    """Files may have only so many bytes."""
    name, most = _writing(rng), rng.choice((0, 1_000, 10_000, 100_000))

    def judge() -> Verdict:
        out = out_of(name, folder)
        done = ended(WRITING[name].start(out, limit=(resource.RLIMIT_FSIZE, most)))
        verdict = done.verdict(finds=True)
        if verdict.fault is None and done.code and (left := leftovers(folder)):
            return Verdict(verdict.result, "leftover", ", ".join(left))
        return verdict

    return Case("small files", f"{name}: {most} bytes", judge)


def _full_output(rng: Random, folder: Path) -> Case:
    """Nothing more can be printed."""
    name = rng.choice(_READING)
    target = {
        "diff": (workplace() / "mixture",) * 2,
        "inspect": (workplace() / "mixture",),
        "verify": (workplace() / "mixture",),
    }

    def judge() -> Verdict:
        with Path("/dev/full").open("w") as full:
            return ended(start(name, *target.get(name, ()), out=full.fileno())).verdict(names=["standard output"])

    return Case("full output", name, judge)


def _no_rights(rng: Random, folder: Path) -> Case:
    """A folder that may not be written, or not read."""
    name, mode = _writing(rng), rng.choice((0o555, 0o000))
    closed = folder / "closed"

    def judge() -> Verdict:
        closed.mkdir()
        out = out_of(name, closed)
        closed.chmod(mode)
        before = _LIKE_OTHERS if os.getuid() == 0 and shutil.which("setpriv") else ()
        done = ended(WRITING[name].start(out, before=before))
        closed.chmod(0o755)
        return done.verdict(names=["closed"], finds=True, may_pass=name == "images fix")

    return Case("no rights", f"{name}: {mode:o}", judge)


def _two_at_once(rng: Random, folder: Path) -> Case:
    """The same command twice into one place."""
    name = _writing(rng)

    def judge() -> Verdict:
        out = out_of(name, folder)
        expected = whole(name).content
        both = [WRITING[name].start(out) for _ in range(2)]
        done = [ended(one) for one in both]
        for one in done:
            if (verdict := one.verdict(finds=True)).fault:
                return verdict
        if WRITING[name].content(out) != expected:
            return Verdict(None, "half", f"{WRITING[name].content(out)}, expected {expected}: {done}")
        left = leftovers(folder)
        return Verdict("passed", "leftover" if left else None, ", ".join(left))

    return Case("two at once", name, judge)


KIND = Kind(
    name="disk",
    about="the same commands on disks of 16 kB to 1.5 MB, with files of limited size, with an output that is full, "
    "without rights to write or to read, and two of them at once into one place",
    cases=200,
    make=make,
    limit_s=300.0,
    limited=False,
)
