"""A large source built by many tasks: its files cut into pieces, its rows put together into the shards of one build.

What only all pieces together decide is asked for between passes: which numbers conversations of one id have, which of
all are drawn, and that no id occurs twice. A piece is built again only where others change what it gives.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from mix665k.builders.bind import BoundSource, BoundStep
from mix665k.builders.pieces import Piece, can_be_indexed, cut
from mix665k.builders.raw import refusal
from mix665k.builders.steps.sample import Chosen, in_pieces, wanted_of
from mix665k.mixtures.build.piece import (
    PieceBuilt,
    PieceTask,
    ShardTask,
    build_piece,
    find_repeats,
    index_raw,
    write_shard,
)
from mix665k.mixtures.build.plan import Options
from mix665k.mixtures.build.reuse_key import hash_inputs, input_states, key_of
from mix665k.mixtures.build.source import Built, built_before, record_entry, require_finished
from mix665k.mixtures.engine.tasks import Listener, Task
from mix665k.mixtures.parallel import Workers, gather
from mix665k.mixtures.storage.parquet import shard_name
from mix665k.schemas.manifest import MAX_EXAMPLES, NOT_FOUND, STATE, Flow, FunnelStep, Shard

PRELOAD = "mix665k.mixtures.build.piece"


def is_built_in_pieces(bound: BoundSource, options: Options) -> bool:
    """Whether a source is large enough for many tasks, and each record, but for draws, decides its own conversation."""
    files = bound.source.about.files
    if not bound.source.by_record or len(files) != 1 or not can_be_indexed(files[0]) or options.limit is not None:
        return False
    num_bytes = sum(path.stat().st_size for path in bound.files[files[0].role])
    return num_bytes > options.piece_bytes and all(map(_knows_enough, bound.steps))


def _knows_enough(step: BoundStep) -> bool:
    if step.step.needs == "draw":
        return in_pieces(step.params, step.inner)
    return step.step.needs == "record" and not any(step.inner.values())


class _Builder(NamedTuple):
    """A source that is being built in pieces."""

    bound: BoundSource
    options: Options
    work: Path
    pieces: list[Piece]
    gather: Callable[[list[Task]], dict[str, Any]]

    @property
    def label(self) -> str:
        return self.bound.block.label

    def build(
        self, numbers: Iterable[int], chosen: Sequence[tuple[Chosen, ...]], *, strict: bool = False
    ) -> dict[int, PieceBuilt | None]:
        """What these pieces give."""
        tasks = {}
        for number in numbers:
            name = f"{self.label}: piece {number + 1} of {len(self.pieces)} ({self.pieces[number][0].path.name})"
            piece = PieceTask(
                self.bound,
                self.options,
                work=self.work,
                number=number,
                piece=self.pieces[number],
                chosen=chosen[number],
                strict=strict,
            )
            tasks[number] = Task(name, partial(build_piece, piece), self.work)
        found = self.gather(list(tasks.values()))
        return {number: found[task.label] for number, task in tasks.items()}

    def repeats(self, what: str) -> list[int]:
        """The pieces with names that earlier ones have too, see `find_repeats`."""
        work = partial(find_repeats, self.work, what, pieces=range(len(self.pieces)))
        [found] = self.gather([Task(f"{self.label}: comparing {what}", work, self.work)]).values()
        return list(found)

    def passes(self) -> list[PieceBuilt] | None:
        """What all pieces give in the end; None where a file has to be read as one."""
        everything = range(len(self.pieces))
        chosen: list[tuple[Chosen, ...]] = [()] * len(self.pieces)
        built = self.build(everything, chosen)
        if not _all_there(built):
            return None
        self._require_none_refused(built)
        built |= self.build(self.repeats("origins"), chosen)
        for draw in [step for step in self.bound.steps if step.step.needs == "draw"]:
            few = choose(self.work, [one.ranked or 0 for one in built.values() if one], draw)
            chosen = [(*before, own) for before, own in zip(chosen, few, strict=True)]
            built = self.build(everything, chosen)
        if self.repeats("names"):
            built |= self.build(self.repeats("times"), chosen)
            self.build(self.repeats("names")[:1], chosen, strict=True)
        return [one for one in built.values() if one]

    def _require_none_refused(self, built: dict[int, PieceBuilt | None]) -> None:
        refused = [one for piece in built.values() if piece for one in piece.refused]
        if refused and self.options.on_bad_record == "fail":
            raise refusal(refused, sum(piece.num_refused for piece in built.values() if piece))

    def shards(self, built: list[PieceBuilt]) -> list[Shard]:
        """Write the shards: the rows of all pieces in their order, cut where one process would cut them."""
        rows, size = sum(sum(one.batches) for one in built), self.options.rows_per_shard
        count = max(1, -(-rows // size))
        batches = [one.batches for one in built]
        tasks = []
        for i in range(count):
            part = ShardTask(
                self.work, self.label, number=i, start=i * size, stop=min((i + 1) * size, rows), batches=batches
            )
            tasks.append(Task(f"{self.label}: shard {i + 1} of {count}", partial(write_shard, part), self.work))
        found = self.gather(tasks)
        named = []
        for i, task in enumerate(tasks):
            path = f"data/{shard_name(self.label, i, count)}"
            (self.work / f"shard-{i:05d}.parquet").replace(self.options.out / path)
            named.append(msgspec.structs.replace(found[task.label], path=path))
        return named


def _all_there(built: dict[int, PieceBuilt | None]) -> bool:
    return all(one is not None for one in built.values())


def build_in_pieces(bound: BoundSource, options: Options, *, jobs: Workers, listener: Listener) -> Built | None:
    """Build a source by many tasks, see `source.build_source`; None where its file has to be read as one.

    Raises:
        UserError: for whatever the user can fix.
    """
    label, [file] = bound.block.label, bound.source.about.files
    work = options.out / STATE / f"{label}.pieces"
    work.mkdir(parents=True, exist_ok=True)
    do = partial(gather, jobs=jobs, preload=PRELOAD, report=partial(listener.moved, label))
    states, paths = input_states(bound), bound.files[file.role]
    look = partial(index_raw, bound.source, every=options.piece_bytes)
    tasks = [Task(f"{label}: file {i} ({path.name})", partial(look, path), path) for i, path in enumerate(paths, 1)]
    found = do(tasks)
    by_path = {task.where: found[task.label] for task in tasks}
    indices = [by_path[path].found for path in paths]
    inputs = hash_inputs(bound, options.raw, known={path: one.sha256 for path, one in by_path.items()})
    key = key_of(bound, inputs, options)
    if options.images is None and (entry := built_before(options.out, label, key)):
        listener.moved(label, sum(one.bytes for one in inputs), entry.conversations)
        return Built(msgspec.structs.replace(entry, expect=bound.block.expect), reused=True)
    known = [index for index in indices if index is not None]
    if len(known) < len(indices):
        return None
    builder = _Builder(bound, options, work=work, pieces=cut(paths, known, every=options.piece_bytes), gather=do)
    if (built := builder.passes()) is None:
        return None
    funnel = merged([one.funnel for one in built], [one.complete for one in built])
    require_finished(bound, funnel, options, states=states, inputs=inputs)
    shards = builder.shards(built)
    shutil.rmtree(work)
    return record_entry(bound, funnel, shards, options=options, key=key, inputs=inputs)


def choose(work: Path, counts: Sequence[int], draw: BoundStep) -> list[Chosen]:
    """What of each piece a draw takes, of all their ranks; the ranks are looked through where they lie on the disk."""
    total = sum(counts)
    wanted = wanted_of(total, draw.params)
    few = f"{total:,} of {wanted:,} conversations" if 0 < total < wanted and not draw.params["at_most"] else ""
    if draw.params["prefer"] == "first":
        firsts = [max(0, min(count, wanted - sum(counts[:i]))) for i, count in enumerate(counts)]
        found = [Chosen((first, 0), equal=0) for first in firsts]
    else:
        paths = [work / f"{number:06d}.ranks" for number in range(len(counts))]
        found = _lowest(paths, min(wanted, total))
    return [found[0]._replace(few=few), *found[1:]]


def _lowest(paths: Sequence[Path], wanted: int) -> list[Chosen]:
    """The lowest ranks of all, by bisection: first of preferences, then of ranks among those of one preference."""
    arrays = [np.load(path, mmap_mode="r") for path in paths]
    columns = [one["preference"] for one in arrays]
    preference = _nth(columns, wanted, lowest=-(2**63), highest=2**63 - 1)
    below = [int(np.searchsorted(one, preference)) for one in columns]
    upto = [int(np.searchsorted(one, preference, "right")) for one in columns]
    equals = [one["rank"][a:b] for one, a, b in zip(arrays, below, upto, strict=True)]
    left = wanted - sum(below)
    rank = _nth(equals, left, lowest=0, highest=2**64 - 1)
    left -= sum(int(np.searchsorted(one, np.uint64(rank))) for one in equals)
    found = []
    for one in equals:
        same = int(np.searchsorted(one, np.uint64(rank), "right") - np.searchsorted(one, np.uint64(rank)))
        taken = max(0, min(same, left))
        left -= taken
        found.append(Chosen((preference, rank), equal=taken))
    return found


def _nth(columns: Sequence[Any], number: int, *, lowest: int, highest: int) -> int:
    """The least value that more than so many of sorted numbers do not exceed; the highest where there are not more."""
    while lowest < highest:
        middle = (lowest + highest) // 2
        if sum(int(np.searchsorted(one, one.dtype.type(middle), "right")) for one in columns) > number:
            highest = middle
        else:
            lowest = middle + 1
    return lowest


def merged(funnels: Sequence[Sequence[FunnelStep]], complete: Sequence[Sequence[set[str]]]) -> list[FunnelStep]:
    """The funnel of all pieces: sums, the first examples, and every id of a reason of which each piece kept all."""
    found = []
    for i, steps in enumerate(zip(*funnels, strict=True)):
        kept = set().union(*(one[i] for one in complete))
        conversations, pairs = _sum([step.conversations for step in steps]), _sum([step.pairs for step in steps])
        examples: dict[str, list[str]] = {}
        noted: dict[str, int] = {}
        for step in steps:
            for reason, ids in step.examples.items():
                examples.setdefault(reason, []).extend(ids)
                if reason not in kept:
                    del examples[reason][MAX_EXAMPLES:]
            for reason, count in step.noted.items():
                noted[reason] = noted.get(reason, 0) + count
        if NOT_FOUND in noted:  # by every piece that had something to look in
            asked = [step.examples.get(NOT_FOUND, []) for step in steps if step.conversations.entered]
            everywhere = set(asked[0]).intersection(*asked[1:])
            examples[NOT_FOUND] = [one for one in asked[0] if one in everywhere]
            noted[NOT_FOUND] = len(everywhere)
            if not everywhere:
                del examples[NOT_FOUND], noted[NOT_FOUND]
        kinds = {reason: kind for step in steps for reason, kind in step.kinds.items()}
        found.append(FunnelStep(steps[0].step, conversations, pairs, kinds=kinds, noted=noted, examples=examples))
    return found


def _sum(flows: Sequence[Flow]) -> Flow:
    changes: dict[str, int] = {}
    for flow in flows:
        for reason, count in flow.changes.items():
            changes[reason] = changes.get(reason, 0) + count
    return Flow(sum(flow.entered for flow in flows), sum(flow.left for flow in flows), changes)
