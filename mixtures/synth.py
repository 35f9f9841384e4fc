"""Writing made-up raw files of every source, side by side, with a bar."""

import math
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.text import Text

from mix665k.builders.synthetic import WRITERS, draw_images
from mix665k.mixtures.engine.tasks import Done, Report, Task
from mix665k.mixtures.parallel import run_tasks
from mix665k.schemas.errors import MixtureError, did_you_mean, os_reason
from mix665k.schemas.files import write_whole
from mix665k.schemas.terminal import text_column

MARKER = "MADE-UP.txt"
IMAGES = "images"


def synthesize(
    out: Path,
    *,
    scale: float,
    seed: int,
    sources: Collection[str],
    exclude: Collection[str],
    images: bool,
    jobs: int,
    overwrite: bool,
    console: Console,
) -> None:
    """Write the raw files of `sources`, or of all, but not of `exclude`.

    With `images` a JPEG is drawn for each image named, and the files say what is true of it.

    Raises:
        MixtureError: for a scale or a source that cannot be, or a folder that may hold real files.
    """
    if not 0 < scale < math.inf:
        raise MixtureError(f"--scale {scale}: expected a number above 0; 1 gives the real size")
    for option, given in (("--source", sources), ("--exclude-source", exclude)):
        for name in given:
            if name not in WRITERS:
                raise MixtureError(f"{option} {name}: no such source{did_you_mean(name, WRITERS)}")
    names = [name for name in WRITERS if (not sources or name in sources) and name not in exclude]
    if not names:
        raise MixtureError("--exclude-source: no source is left, expected one or more")
    if out.exists() and any(out.iterdir()) and not (out / MARKER).is_file() and not overwrite:
        raise MixtureError(
            f"{out}: not empty and not made up, it may hold real files; name another --out or --overwrite"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(
            out / MARKER, f"Raw files made up by `mix synth --scale {scale} --seed {seed}`; no word of them is real.\n"
        )
        _write(out, names, scale=scale, seed=seed, scenes=images, jobs=jobs, console=console)
        if images:
            with console.status("drawing images"):
                num_images = draw_images(out, out / IMAGES, seed=seed)
            console.print(Text(f"drew {num_images:,} images into {out / IMAGES}"), soft_wrap=True)
    except OSError as error:
        raise MixtureError(f"{error.filename or out}: {os_reason(error)}") from None


def _write(out: Path, names: list[str], *, scale: float, seed: int, scenes: bool, jobs: int, console: Console) -> None:
    shown_name = text_column("{task.description:>15}")
    columns = (shown_name, BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
    write = partial(_write_source, scale=scale, seed=seed, scenes=scenes)
    tasks = [Task(name, partial(write, name, out / name), out) for name in names]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        shown = _Shown(progress, num_sources=len(names))
        run_tasks(tasks, jobs=jobs, preload=_write_source.__module__, listener=shown)


def _write_source(name: str, folder: Path, report: Report, *, scale: float, seed: int, scenes: bool) -> int:
    """The bytes of the files that were written."""
    num_bytes = sum(path.stat().st_size for path in WRITERS[name](folder, scale=scale, seed=seed, scenes=scenes))
    report(num_bytes, 0)
    return num_bytes


class _Shown:
    """A line for each source that is written, and a bar; a `Listener`."""

    def __init__(self, progress: Progress, *, num_sources: int) -> None:
        self._progress, self._begun = progress, time.perf_counter()
        self._task = progress.add_task("writing", total=num_sources)

    def moved(self, label: str, num_bytes: int, records: int) -> None:
        """See `Listener`."""

    def finished(self, done: Done) -> None:
        """See `Listener`."""
        seconds = time.perf_counter() - self._begun
        line = f"{done.label}: {done.result / 1e6:,.1f} MB, after {seconds:.0f} s"
        self._progress.console.print(line, highlight=False)
        self._progress.advance(self._task)
