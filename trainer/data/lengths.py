"""How long each row of a mixture is for one tokenizer and template; computed once and cached."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from mix665k.schemas.cache import cached
from mix665k.schemas.errors import TrainingError
from mix665k.schemas.processes import choose_socket_folder
from mix665k.schemas.terminal import open_console
from mix665k.trainer.data.encode import Encoder
from mix665k.trainer.data.mixture import Mixture

ROWS_PER_BLOCK = 512
_FEW_ROWS = 4_096
"""Below this, starting processes takes longer than the work."""
Block = Sequence[Sequence[int]]
"""Numbers of rows, in groups."""
Measure = Callable[[Block, Mixture, Encoder], NDArray[np.int64]]


class Lengths(NamedTuple):
    """One value per row, in the order of the mixture: all [N].

    tokens       of the encoding, truncated and with each image as its placeholders
    supervised   how many of them the loss sees; 0 where truncation leaves no label
    tokens_cut   tokens that truncation removed
    answers_cut  answers that truncation removed or shortened
    """

    tokens: NDArray[np.int64]
    supervised: NDArray[np.int64]
    has_image: NDArray[np.bool_]
    tokens_cut: NDArray[np.int64]
    answers_cut: NDArray[np.int64]


def lengths(mixture: Mixture, encoder: Encoder, *, jobs: int) -> Lengths:
    """The lengths of all rows, from the cache beside the mixture where it holds them.

    Where it does not, `jobs` processes encode every row, with a progress bar. Ranks that ask at once wait for the first
    of them.

    Raises:
        UserError: when a row cannot be encoded, see `Encoder.encode`.
        OSError: when the cache cannot be written.
    """
    name = f"lengths-1-{mixture.row_hash[:16]}-{encoder.fingerprint[:16]}.npy"
    write = partial(_write, mixture=mixture, encoder=encoder, jobs=jobs)
    columns = cached(mixture.folder, name, write=write, read=partial(_load, rows=len(mixture)))
    return Lengths(*columns)._replace(has_image=columns[Lengths._fields.index("has_image")].astype(bool))


def _load(path: Path, *, rows: int) -> NDArray[np.int64] | None:
    """The values in a file that `_write` wrote, int64 [5, rows]; None when it is damaged."""
    try:
        columns: NDArray[np.int64] = np.load(path)
    except (ValueError, EOFError, OSError, BadZipFile):
        return None
    return columns if columns.shape == (len(Lengths._fields), rows) else None


def _write(part: Path, *, mixture: Mixture, encoder: Encoder, jobs: int) -> None:
    starts = range(0, len(mixture), ROWS_PER_BLOCK)
    blocks = [[range(len(mixture))[start : start + ROWS_PER_BLOCK]] for start in starts]
    columns = measure_rows(blocks, _measure, mixture=mixture, encoder=encoder, jobs=jobs)
    with part.open("wb") as file:
        np.save(file, np.concatenate([np.empty((len(Lengths._fields), 0), dtype=np.int64), *columns], axis=1))


def _measure(block: Block, mixture: Mixture, encoder: Encoder) -> NDArray[np.int64]:
    """The values of one block, int64 [5, rows], in the order of `Lengths`."""
    [rows] = block
    encoded = map(encoder.encode, mixture.rows(rows[0], rows[-1] + 1))
    values = [(len(e.input_ids), e.num_supervised, e.num_images > 0, e.tokens_cut, e.answers_cut) for e in encoded]
    return np.array(values, dtype=np.int64).T


def measure_rows(
    blocks: Sequence[Block], measure: Measure, *, mixture: Mixture, encoder: Encoder, jobs: int
) -> list[NDArray[np.int64]]:
    """What `measure`, a function of a module, gives for each block, in order; `jobs` processes share the work.

    Raises:
        UserError: when a row cannot be encoded, or a process is killed.
    """
    few = sum(len(rows) for block in blocks for rows in block) <= _FEW_ROWS
    with _measured(blocks, measure, mixture=mixture, encoder=encoder, jobs=1 if few else jobs) as measured:
        shown = open_console(stderr=True)
        bar = track(
            measured, "counting tokens", total=len(blocks), console=shown, transient=True, disable=not shown.is_terminal
        )
        return list(bar)


@contextmanager
def _measured(
    blocks: Iterable[Block], measure: Measure, *, mixture: Mixture, encoder: Encoder, jobs: int
) -> Iterator[Iterable[NDArray[np.int64]]]:
    if jobs == 1:
        yield (measure(block, mixture, encoder) for block in blocks)
        return
    # Forked from a clean process: torch and the tokenizer may have started threads in this one.
    choose_socket_folder()
    context: Any = get_context("forkserver")
    try:
        with ProcessPoolExecutor(jobs, context, initializer=_set_up_worker, initargs=(mixture, encoder)) as pool:
            yield pool.map(partial(_measure_in_worker, measure), blocks)
    except BrokenProcessPool:
        raise TrainingError(f"counting tokens: one of {jobs} processes was killed; out of memory?") from None


_WORKER: list[tuple[Mixture, Encoder]] = []
"""What a process of the pool measures, sent once and not with each block: a tokenizer takes megabytes."""


def _set_up_worker(mixture: Mixture, encoder: Encoder) -> None:
    _WORKER.append((mixture, encoder))


def _measure_in_worker(measure: Measure, block: Block) -> NDArray[np.int64]:
    [(mixture, encoder)] = _WORKER
    return measure(block, mixture, encoder)
