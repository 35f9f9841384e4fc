"""Work on many small things at once, in processes that share nothing."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from mix665k.mixtures.parallel import die_with_parent, server_context, starting
from mix665k.schemas.errors import MixtureError

Item = TypeVar("Item")
Done = TypeVar("Done")
_CHUNK = 16
_CHUNKS_PER_PROCESS = 8


def in_processes(
    work: Callable[[Sequence[Item]], list[Done]],
    items: Sequence[Item],
    *,
    jobs: int,
    preload: str,
    advance: Callable[[float], None],
) -> list[Done]:
    """What `work` gives for each item, in their order; it gets some of them at a time.

    Raises:
        MixtureError: when a process is killed.
    """
    size = max(1, min(_CHUNK, len(items) // (jobs * _CHUNKS_PER_PROCESS)))
    chunks = list(_chunks(items, size))
    done: list[Done] = []
    if not chunks:
        return done
    pool = ProcessPoolExecutor(min(jobs, len(chunks)), mp_context=server_context(preload), initializer=_begin)
    try:
        with starting():
            futures: list[Future[list[Done]]] = [pool.submit(work, chunk) for chunk in chunks]
        for chunk, future in zip(chunks, futures, strict=True):
            done += future.result()
            advance(len(chunk) / len(items))
    except BrokenProcessPool:
        raise MixtureError("one of its processes was killed; out of memory? try --jobs 1") from None
    finally:
        pool.shutdown(cancel_futures=True)
    return done


def _chunks(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _begin() -> None:
    die_with_parent()
    warnings.simplefilter("ignore")  # Pillow's remarks on single files
