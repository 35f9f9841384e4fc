"""Writing made-up raw files of every source, side by side, with a bar."""

import math
import multiprocessing
import time
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from mix665k.builders.synthetic import WRITERS, draw_images
from mix665k.schemas.errors import MixtureError, did_you_mean, os_reason
from mix665k.schemas.files import write_whole

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
    """Write the raw files of `sources`, or of all, but not of `exclude`; with `images` a JPEG for each image named.

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
        _write(out, names, scale=scale, seed=seed, jobs=jobs, console=console)
        if images:
            with console.status("drawing images"):
                num_images = draw_images(out, out / IMAGES)
            console.print(Text(f"drew {num_images:,} images into {out / IMAGES}"), soft_wrap=True)
    except OSError as error:
        raise MixtureError(f"{error.filename or out}: {os_reason(error)}") from None


def _write(out: Path, names: list[str], *, scale: float, seed: int, jobs: int, console: Console) -> None:
    columns = (TextColumn("{task.description:>15}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
    context = multiprocessing.get_context("spawn")
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ProcessPoolExecutor(jobs, mp_context=context) as pool,
    ):
        task = progress.add_task("writing", total=len(names))
        begun = time.perf_counter()
        futures = {pool.submit(WRITERS[name], out / name, scale=scale, seed=seed): name for name in names}
        for future in as_completed(futures):
            num_bytes = sum(path.stat().st_size for path in future.result())
            seconds = time.perf_counter() - begun
            progress.console.print(
                f"{futures[future]}: {num_bytes / 1e6:,.1f} MB, after {seconds:.0f} s", highlight=False
            )
            progress.advance(task)
