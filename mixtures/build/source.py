"""One source, from its raw files to its shards, in a process of its own."""

import errno
import gc
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from mix665k.builders.bind import BoundSource
from mix665k.builders.funnel import StepFunnel
from mix665k.builders.numbers import NONE, Numbers, digest
from mix665k.builders.pipeline import Run
from mix665k.builders.raw import OnBadRecord
from mix665k.mixtures.build.plan import Options, params_of
from mix665k.mixtures.build.reuse_key import (
    hash_inputs,
    input_states,
    key_of,
    require_same_plugins,
    require_unchanged,
)
from mix665k.mixtures.engine.tasks import Report
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP, Named, ShardWriter, name, to_rows
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.schemas.conversation import Conversation, Pair
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import UNREADABLE, regular_file, sha256_of, write_whole
from mix665k.schemas.image_names import NAME_TOO_LONG, PATH_TOO_LONG, name_fault
from mix665k.schemas.images.places import images_at
from mix665k.schemas.manifest import NOT_FOUND, STATE, TOO_FEW, FunnelStep, InputFile, Shard, SourceEntry, funnel_fault

IMAGES = "images"
"""The step of a funnel that looks for images."""
_MISSING = "image missing"


class Built(NamedTuple):
    """A finished source, and whether it was there already."""

    entry: SourceEntry
    reused: bool


class Names:
    """The ids that conversations get: numbers by raw id, counting those `before`, none that is `taken`, or twice."""

    def __init__(self, before: Mapping[bytes, int] = NONE, taken: Collection[bytes] = ()) -> None:
        self.numbers = Numbers(before)
        self.seen: set[str] = set()
        self._taken = taken

    def is_new(self, identifier: str) -> bool:
        """Whether an id is new; then it no longer is."""
        if identifier in self.seen or (self._taken and digest(identifier) in self._taken):
            return False
        self.seen.add(identifier)
        return True


def build_source(bound: BoundSource, options: Options, report: Report) -> Built:
    """Read, build, check and store one source, or find it built already.

    Raises:
        UserError: for whatever the user can fix.
    """
    gc.disable()  # millions of records without cycles: collecting them costs more than building them
    label = bound.block.label
    states = input_states(bound)
    inputs = hash_inputs(bound, options.raw)
    key = key_of(bound, inputs, options)
    if options.images is None and (entry := built_before(options.out, label, key)):
        report(sum(file.bytes for file in inputs), entry.conversations)
        return Built(msgspec.structs.replace(entry, expect=bound.block.expect), reused=True)
    work = options.out / STATE / f"{label}.{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    run = begin(bound, options, report)
    writer = ShardWriter(work, label, rows_per_shard=options.rows_per_shard)
    for rows in finished_rows(run, label, options, is_there=looks_below(options.images)):
        writer.write(rows)
        report(0, len(rows))
    funnel = run.funnel()
    require_finished(bound, funnel, options, states=states, inputs=inputs)
    shards = writer.finish()
    for shard in shards:
        (work / Path(shard.path).name).replace(options.out / shard.path)
    shutil.rmtree(work)
    return record_entry(bound, funnel, shards, options=options, key=key, inputs=inputs, splits=run.raw.splits)


def require_finished(
    bound: BoundSource,
    funnel: list[FunnelStep],
    options: Options,
    *,
    states: Mapping[Path, Any],
    inputs: Sequence[InputFile],
) -> None:
    """All is as it has to be before anything bears the names of a finished source; `states` as it was begun.

    Raises:
        UserError: for images that are missing, files that changed meanwhile, and a source with too few records.
    """
    if options.images and options.on_missing_image == "fail":
        step = next(step for step in funnel if step.step == IMAGES)
        _require_images(step, label=bound.block.label, images=options.images)
    require_unchanged(states, input_states(bound))
    require_same_plugins(bound)
    _require_enough(bound, funnel, options, read=options.raw / inputs[0].path)


def record_entry(
    bound: BoundSource,
    funnel: list[FunnelStep],
    shards: list[Shard],
    *,
    options: Options,
    key: str,
    inputs: list[InputFile],
    splits: Sequence[str] = (),
) -> Built:
    """Note a source as finished whose shards are in their place.

    Raises:
        MixtureError: when its funnel does not add up.
    """
    entry = make_entry(bound, funnel, shards, key=key, inputs=inputs, splits=splits)
    if why := funnel_fault(entry):
        raise MixtureError(f"{bound.block.label}: {why}")
    write_whole(options.out / STATE / f"{bound.block.label}.json", msgspec.json.encode(entry))
    return Built(entry, reused=False)


def begin(bound: BoundSource, options: Options, report: Report) -> Run:
    """A run of a source and its steps; nothing is read yet."""
    return Run(bound, on_bad_record=options.on_bad_record, progress=lambda n: report(n, 0), limit=options.limit)


def finished_rows(
    run: Run,
    label: str,
    options: Options,
    *,
    is_there: Callable[[Conversation], bool] | None,
    names: Names | None = None,
) -> Iterator[pa.RecordBatch]:
    """The conversations of a run as the rows of a mixture: their images there, if asked, ids unique, records valid.

    Raises:
        MixtureError: for an id that occurs twice, and, unless bad records are dropped, for a record that is not valid.
    """
    stream = run.conversations
    if is_there is not None:
        funnel = run.add(IMAGES)
        stream = funnel.leaving(_with_images(funnel.entering(stream), funnel, is_there=is_there))
    funnel = run.add("check")
    records = _valid(
        _named(funnel.entering(stream), label=label, files_of=run.raw.files_of, names=names or Names()),
        funnel,
        label=label,
        files_of=run.raw.files_of,
        boxes=run.writes_boxes,
        on_bad_record=options.on_bad_record,
    )
    while batch := list(islice(records, min(ROWS_PER_GROUP, options.rows_per_shard))):
        yield to_rows(label, batch)


def was_there(funnel: Iterable[FunnelStep]) -> Callable[[Conversation], bool] | None:
    """Whether a conversation's image was there when this funnel was counted; None when nobody looked."""
    missing = [set(step.examples.get(_MISSING, ())) for step in funnel if step.step == IMAGES]
    return (lambda conversation: _missing_name(conversation) not in missing[0]) if missing else None


def make_entry(
    bound: BoundSource,
    funnel: list[FunnelStep],
    shards: list[Shard],
    *,
    key: str,
    inputs: list[InputFile],
    splits: Sequence[str] = (),
) -> SourceEntry:
    """What a manifest says of a source."""
    missing = [name for step in funnel for name in step.examples.pop(NOT_FOUND, [])]
    return SourceEntry(
        name=bound.block.label,
        source=bound.source.name,
        key=key,
        inputs=inputs,
        params=bound.params,
        steps=[params_of(step) for step in bound.steps],
        funnel=funnel,
        conversations=funnel[-1].conversations.left,
        pairs=funnel[-1].pairs.left,
        shards=shards,
        expect=bound.block.expect,
        not_found=missing,
        splits=list(splits) if funnel[-1].conversations.left else [],
    )


def built_before(out: Path, label: str, key: str) -> SourceEntry | None:
    """The entry of a source built under this key whose shards are intact."""
    try:
        entry = msgspec.json.decode(regular_file(out / STATE / f"{label}.json").read_bytes(), type=SourceEntry)
    except (FileNotFoundError, *UNREADABLE):
        return None  # never built, or by another version: it is built now
    intact = all((out / s.path).is_file() and sha256_of(out / s.path) == s.sha256 for s in entry.shards)
    return entry if entry.key == key and intact else None


def looks_below(images: Path | None) -> Callable[[Conversation], bool] | None:
    """Whether a conversation's images lie below this folder; one whose name no file system takes does not."""
    if images is None:
        return None
    found = images_at(images)

    def is_there(name: str) -> bool:
        if name_fault(name) not in (None, NAME_TOO_LONG, PATH_TOO_LONG):
            return True  # no path below the folder: `check` refuses it as a bad record with its reason
        try:
            return found.has(name)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            return False

    return lambda one: all(map(is_there, one.images))


def _with_images(
    conversations: Iterable[Conversation], funnel: StepFunnel, *, is_there: Callable[[Conversation], bool]
) -> Iterator[Conversation]:
    """Conversations whose images are there, or that have none; the ids of all others are kept in the funnel."""
    for conversation in conversations:
        if conversation.image is None or is_there(conversation):
            yield conversation
        else:
            funnel.drop(_MISSING, pairs=len(conversation.pairs))
            # all of them, without a limit: a verification must leave out the same ones
            funnel.note(_MISSING, _missing_name(conversation), limit=None)


def _missing_name(conversation: Conversation) -> str:
    return f"{conversation.id}: {', '.join(conversation.images)}"


def _require_images(step: FunnelStep, *, label: str, images: Path) -> None:
    """No image was missing.

    Raises:
        MixtureError: with their number.
    """
    if missing := step.noted.get(_MISSING):
        first = step.examples[_MISSING][0].partition(": ")[2]
        raise MixtureError(
            f"{label}: {missing:,} records have no image under {images}, the first is {first}; "
            "get the images or pass --on-missing-image drop"
        )


def _require_enough(bound: BoundSource, funnel: list[FunnelStep], options: Options, *, read: Path) -> None:
    """The source has records, and its draws came out as large as they were to be; `read` is the file that they are of.

    Raises:
        MixtureError: with what was left out.
    """
    label = bound.block.label
    chosen = options.limit is not None or any(step.params.get("draws_from") for step in bound.steps)
    for step in funnel:
        if TOO_FEW in step.noted and not chosen:
            raise MixtureError(
                f"{label}: {step.step}: {step.examples[TOO_FEW][0]} are there; ask for fewer, or set `at_most: true`"
            )
    if funnel[-1].conversations.left == 0 and not (chosen or bound.block.allow_empty):
        lost = {reason: -count for step in funnel for reason, count in step.conversations.changes.items() if count < 0}
        why = ", ".join(f"{reason} {count:,}" for reason, count in lost.items()) or "its file has none"
        raise MixtureError(
            f"{label}: no record of {read} is left ({why}); if that is meant, pass --exclude-source {label}, or set "
            "`allow_empty: true` in the recipe"
        )


def _named(
    conversations: Iterable[Conversation], *, label: str, files_of: Callable[[Iterable[Pair]], str], names: Names
) -> Iterator[Named]:
    """Conversations with their ids: `<source>/<raw id>`, and `#k` where a raw id can give several.

    Raises:
        MixtureError: when an id occurs twice.
    """
    for conversation in conversations:
        identifier = f"{label}/{conversation.id}"
        if conversation.several:
            identifier = f"{identifier}#{names.numbers.next(conversation.id)}"
        if not names.is_new(identifier):
            file = files_of(conversation.pairs[:1])
            why = f"id {identifier!r} occurs twice, expected once; is a raw file repeated?"
            raise MixtureError(f"{file}: {label}: {why}")
        yield name(identifier, conversation)


def _valid(
    records: Iterable[Named],
    funnel: StepFunnel,
    *,
    label: str,
    boxes: bool,
    on_bad_record: OnBadRecord,
    files_of: Callable[[Iterable[Pair]], str],
) -> Iterator[Named]:
    """Records that agree with the published schema and the rules of conversations, counted as they leave.

    Raises:
        MixtureError: for one that does not, unless bad records are dropped.
    """
    check = RecordCheck()
    for record in records:
        why = check.record(record, source=label, boxes=boxes)
        pairs = record.conversation.pairs
        if why is None:
            funnel.leave(record.conversation)
            yield record
        elif on_bad_record == "drop":
            funnel.drop("bad record", f"{record.id}: {why}", pairs=len(pairs))
        else:
            origins = ", ".join(pair.origin for pair in pairs[:3])
            raise MixtureError(
                f"{files_of(pairs)}: {label}: {record.id} (from {origins}): {why}; fix the raw record or pass "
                "--on-bad-record drop"
            )
