"""What runs on the nodes of a Ray cluster. It is sent there by value, and needs nothing but Python and Ray itself.

So a node on which the package, a library or a plugin is missing, or of another version, says so in a line.
"""

import hashlib
import os
import pickle
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "mix665k"
_DECIDING = ("msgspec", "numpy", "polars", "pyarrow", "tokenizers", "transformers", "jsonschema-rs", "pillow")
"""The libraries that could make another row, or file, of the same record in another version."""
_REPORT_S = 0.5
_CODE = "code of mix665k"


def versions() -> dict[str, str]:
    """What has to be the same wherever parts of one mixture are made; of our code the hash, as it may be edited."""
    found = {"Python": platform.python_version()}
    for name in (PACKAGE, *_DECIDING):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    spec = find_spec(PACKAGE)
    digest = hashlib.sha256()
    for package in ("builders", "mixtures", "schemas") if spec and spec.origin else ():
        folder = Path(str(spec and spec.origin)).parent / package
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return found | {_CODE: digest.hexdigest()[:12]}


def work_on_node(
    packed: bytes, *, expected: Mapping[str, str], folder: str, label: str, heard: Any
) -> tuple[str, str, bytes, Sequence[int]]:
    """The node's name, what it lacks, what a packed function gives there, packed too, and what it did not report yet.

    The function gets a `Report`; `heard` is the actor that takes in what is reported under `label`.
    """
    node, has = platform.node(), versions()
    differing = [f"{name} {has[name]}, expected {wanted}" for name, wanted in expected.items() if has[name] != wanted]
    if differing:
        why = "as on the machine that started this; install the same on every node"
        return node, f"{'; '.join(differing)} {why}", b"", (0, 0)
    try:
        os.chdir(folder)
        work = pickle.loads(packed)
    except OSError:
        why = "is not there; raw files, images and --out have to be where every node sees them"
        return node, f"{folder} {why}", b"", (0, 0)
    except ImportError as error:
        return node, f"{error}; install there what the plugin of the recipe is from, or needs", b"", (0, 0)
    report = Reporter(heard, label)
    found = work(report)
    return node, "", pickle.dumps(found), report.unsaid


class Reporter:
    """A `Report` that passes on sums, at most two a second."""

    def __init__(self, heard: Any, label: str) -> None:
        self._heard = heard
        self._label = label
        self.unsaid = [0, 0]
        self._last = time.monotonic()

    def __call__(self, num_bytes: int, records: int) -> None:
        """Take in what was done."""
        self.unsaid[0] += num_bytes
        self.unsaid[1] += records
        if time.monotonic() - self._last > _REPORT_S:
            self._heard.moved.remote(self._label, *self.unsaid)
            self.unsaid, self._last = [0, 0], time.monotonic()


class Heard:
    """An actor that keeps what tasks report until the driver asks."""

    def __init__(self) -> None:
        self._moves: dict[str, list[int]] = {}

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """A task has read so many more bytes and made so many more records."""
        sums = self._moves.setdefault(label, [0, 0])
        sums[0] += num_bytes
        sums[1] += records

    def take(self) -> dict[str, list[int]]:
        """What was reported since the last call, by task."""
        moves, self._moves = self._moves, {}
        return moves
