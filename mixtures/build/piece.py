"""What one task does for a source that is built in pieces: index a file, build a piece, write a shard."""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mix665k.builders.bind import BoundSource
from mix665k.builders.numbers import NONE, digest
from mix665k.builders.pieces import Index, OddFileError, Piece, index_file
from mix665k.builders.pipeline import Run, Within
from mix665k.builders.raw import MAX_REFUSED, Refused
from mix665k.builders.registry import Source
from mix665k.builders.steps.sample import Chosen, ranks
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.build.source import Names, finished_rows, looks_below
from mix665k.mixtures.engine.tasks import Report
from mix665k.mixtures.select.derived import full_groups
from mix665k.mixtures.storage.parquet import SCHEMA, ShardWriter
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import FunnelStep, Shard

NAME = np.dtype([("high", "<u8"), ("low", "<u8"), ("times", "<u8")])
"""A digest of a name and how often the piece has it."""
RANK = np.dtype([("preference", "<i8"), ("rank", "<u8")])


class Indexed(NamedTuple):
    """How a file can be cut, if it can, and its SHA-256."""

    found: Index | None
    sha256: str


class PieceTask(NamedTuple):
    """A piece of a source to build into the folder `work`, where the files of all pieces are.

    `chosen` is what of it the first draws take. With `strict` an id that an earlier piece has is an error.
    """

    bound: BoundSource
    options: Options
    work: Path
    number: int
    piece: Piece
    chosen: tuple[Chosen, ...] = ()
    strict: bool = False

    def path(self, what: str) -> Path:
        """A file of this piece."""
        return self.work / f"{self.number:06d}.{what}"


class PieceBuilt(NamedTuple):
    """What a piece gave; `ranked` says how many there are to draw from, where a draw comes next, else `batches`."""

    funnel: list[FunnelStep]
    complete: list[set[str]]
    refused: list[Refused]
    num_refused: int
    batches: list[int]
    ranked: int | None


def index_raw(source: Source, path: Path, report: Report, *, every: int) -> Indexed:  # noqa: ARG001, a `Task`'s work
    """Index and hash a raw file of a source that has one."""
    return Indexed(index_file(source.about.files[0], path, every=every), sha256_of(path))


def build_piece(task: PieceTask, report: Report) -> PieceBuilt | None:
    """Build a piece as far as the next draw; None where its file has to be read as one.

    Raises:
        UserError: for whatever the user can fix.
    """
    gc.disable()
    within = Within(task.piece, _counts(task.path("origins.before")), task.chosen)
    run = Run(task.bound, on_bad_record=task.options.on_bad_record, progress=lambda n: report(n, 0), within=within)
    try:
        batches, ranked = ([], _rank(task, run)) if run.draw is not None else (_write(task, run, report), None)
    except OddFileError:
        return None
    _save(task.path("origins"), _names(run.raw.numbers.times))
    return PieceBuilt(
        funnel=run.funnel(),
        complete=run.complete,
        refused=run.raw.refused[:MAX_REFUSED],
        num_refused=len(run.raw.refused),
        batches=batches,
        ranked=ranked,
    )


def _rank(task: PieceTask, run: Run) -> int:
    """Write the ranks of what a draw may take, and give their number."""
    assert run.draw is not None, task.number
    found = np.fromiter(ranks(run.conversations, run.draw.params), RANK)
    _save(task.path("ranks"), found[np.lexsort((found["rank"], found["preference"]))])
    return len(found)


def _write(task: PieceTask, run: Run, report: Report) -> list[int]:
    """Write the rows of a piece, and the names that they have; gives how many are in each batch."""
    taken = _counts(task.path("names.before")) if task.strict else NONE
    names, counts = Names(_counts(task.path("times.before")), taken), list[int]()
    is_there = looks_below(task.options.images)
    part = _part(task.path("rows"))
    with pa.ipc.new_file(str(part), SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for rows in finished_rows(run, task.bound.block.label, task.options, is_there=is_there, names=names):
            writer.write_batch(rows)
            counts.append(len(rows))
            report(0, len(rows))
    part.replace(task.path("rows"))
    _save(task.path("times"), _names(names.numbers.times))
    _save(task.path("names"), _names(dict.fromkeys(names.seen, 1)))
    return counts


def _part(path: Path) -> Path:
    """Where to write what gets this name when it is complete: another try of the task may be at it."""
    return path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")


def _save(path: Path, content: Any) -> None:
    part = _part(path)
    with part.open("wb") as file:
        np.save(file, content)
    part.replace(path)


def _names(times: Mapping[str, int]) -> Any:
    """The names of a piece, by their digests."""
    found = np.empty(len(times), NAME)
    digests = np.frombuffer(b"".join(map(digest, times)), ">u8").reshape(-1, 2)
    found["high"], found["low"] = digests[:, 0], digests[:, 1]
    found["times"] = np.fromiter(times.values(), np.uint64, len(times))
    return found[np.lexsort((found["low"], found["high"]))]


def _counts(path: Path) -> Mapping[bytes, int]:
    """How often names came in earlier pieces, if any of this one's did."""
    if not path.is_file():
        return NONE
    found = np.load(path)
    digests = np.stack([found["high"], found["low"]], axis=1).astype(">u8").tobytes()
    return {digests[16 * i : 16 * i + 16]: times for i, times in enumerate(found["times"].tolist())}


class ShardTask(NamedTuple):
    """A shard to write of rows `start` to `stop` of a source, whose pieces have batches of these numbers of rows."""

    work: Path
    label: str
    number: int
    start: int
    stop: int
    batches: list[list[int]]


def write_shard(task: ShardTask, report: Report) -> Shard:  # noqa: ARG001, a `Task`'s work
    """Write a shard into a folder of its own, under the name of an only one."""
    folder = task.work / f"shard-{task.number:05d}-{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir()
    writer = ShardWriter(folder, task.label, rows_per_shard=max(task.stop - task.start, 1))
    for rows in full_groups(_rows(task)):
        writer.write(rows)
    [shard] = writer.finish()
    (folder / Path(shard.path).name).replace(task.work / f"shard-{task.number:05d}.parquet")
    folder.rmdir()
    return shard


def _rows(task: ShardTask) -> Iterator[pa.RecordBatch]:
    at = 0
    for number, counts in enumerate(task.batches):
        if at + sum(counts) <= task.start or at >= task.stop:
            at += sum(counts)
            continue
        with pa.memory_map(str(task.work / f"{number:06d}.rows")) as data:
            file = pa.ipc.open_file(data)
            for i, count in enumerate(counts):
                start, stop = max(task.start - at, 0), min(task.stop - at, count)
                if start < stop:
                    yield file.get_batch(i).slice(start, stop - start)
                at += count


def find_repeats(work: Path, what: str, report: Report, *, pieces: Sequence[int]) -> list[int]:  # noqa: ARG001, a `Task`'s work
    """The pieces that have names which earlier pieces have too; how often these did is written for each.

    Names are compared by ranges of their digests, so that memory does not grow with the source.
    """
    paths = [work / f"{number:06d}.{what}" for number in pieces]
    total = sum(path.stat().st_size for path in paths) // NAME.itemsize
    bounds = np.linspace(0, 2.0**64, max(2, total // _AT_ONCE + 2))
    found: dict[int, list[Any]] = {}
    for low, high in pairwise(bounds):
        slices = [_between(path, low, high) for path in paths]
        names = np.concatenate(slices) if slices else np.empty(0, NAME)
        piece = np.repeat(np.asarray(pieces, np.int64), [len(one) for one in slices])
        order = np.lexsort((piece, names["low"], names["high"]))
        names, piece = names[order], piece[order]
        later = np.zeros(len(names), bool)
        later[1:] = (names["high"][1:] == names["high"][:-1]) & (names["low"][1:] == names["low"][:-1])
        if not later.any():
            continue
        sums = np.cumsum(names["times"]) - names["times"]
        first = np.maximum.accumulate(np.where(later, 0, np.arange(len(names))))
        names["times"] = sums - sums[first]
        for number in np.unique(piece[later]).tolist():
            found.setdefault(number, []).append(names[later & (piece == number)])
    for number, each in found.items():
        _save(work / f"{number:06d}.{what}.before", np.concatenate(each))
    return sorted(found)


_AT_ONCE = 8_000_000


def _between(path: Path, low: float, high: float) -> Any:
    """The names of a piece whose digests lie in a range."""
    names = np.load(path, mmap_mode="r")
    start, stop = (
        len(names) if bound >= 2.0**64 else int(np.searchsorted(names["high"], np.uint64(bound)))
        for bound in (low, high)
    )
    return np.array(names[start:stop])
