"""A mixture beside a file in LLaVA's own form, such as the published one."""

from pathlib import Path

from mix665k.mixtures.diff.compare import Request
from mix665k.mixtures.diff.comparison import Comparison
from mix665k.mixtures.diff.targets import compare_targets
from mix665k.mixtures.progress import Advance
from mix665k.schemas.manifest import load_manifest


def compare_with_file(folder: Path, published: Path, *, advance: Advance) -> Comparison:
    """What is the same and what differs, source by source; `here` is the mixture, `there` the file.

    Raises:
        MixtureError: when the mixture is damaged, or the file is not there.
        RawDataError: when the file is no JSON list; its records with faults are counted.
    """
    load_manifest(folder)
    return compare_targets(folder, published, Request(), advance=advance)
