"""Reading evaluation sets: the key of each image and the normalised text of each question."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import polars as pl

from mix665k.builders.decode import BadRecord, json_path, read
from mix665k.builders.evaluation import EvaluationLayout, Item
from mix665k.builders.image_collections import ImageCollection
from mix665k.builders.registry import RawFile
from mix665k.mixtures.contamination.layouts import LAYOUTS, LISTED, DetectedLayout, Listed, detect_layout
from mix665k.mixtures.contamination.questions import bare, normalised
from mix665k.mixtures.image_keys import COLLECTIONS, OWN, image_key, is_bare_number
from mix665k.mixtures.storage.parquet import uncollected
from mix665k.schemas.errors import MixtureError, RawDataError, did_you_mean
from mix665k.schemas.files import sha256_of

ITEM = {"id": pl.String, "image": pl.String, "text": pl.String}
_BATCH = 65_536
_NAMED = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)
T = TypeVar("T")


class SetToRead(NamedTuple):
    """An evaluation set to read: its name, its file, and what the file cannot tell."""

    name: str
    path: Path
    layout: EvaluationLayout | None = None
    ids_of: ImageCollection | None = None


class EvaluationSet(NamedTuple):
    """What an evaluation set asks.

    `questions` has a row for each question (or image, where a list has images only): `id`, `image` (a key, see
    `identity`) and `text` (normalised). Image ids that tell no collection belong to `collection`. `left_out` records
    are of the split `train` of their file. `files` are its images where those are compared by content; their hash is
    one of their names and hashes.
    """

    name: str
    path: Path
    layout: str
    sha256: str
    questions: pl.DataFrame
    collection: ImageCollection | None = None
    left_out: int = 0
    files: int = 0
    files_sha256: str | None = None


def sets_to_read(against: Sequence[str], layouts: Sequence[str], ids_of: Sequence[str]) -> list[SetToRead]:
    """The sets that `--eval-set [NAME=]FILE`, `--layout [NAME=]LAYOUT` and `--ids-of [NAME=]COLLECTION` name.

    Raises:
        MixtureError: for a name that is given twice or to no set, and for an unknown layout or collection.
    """
    files = [named(text) for text in against]
    names = [name or Path(path).stem for name, path in files]
    for name in names:
        if names.count(name) > 1:
            raise MixtureError(f"--eval-set: two sets are called {name!r}; name one with --eval-set NAME=FILE")
    chosen_layouts = _by_name("--layout", given=layouts, names=names, known=LAYOUTS)
    chosen_ids = _by_name("--ids-of", given=ids_of, names=names, known=COLLECTIONS | {OWN.name: OWN})
    return [
        SetToRead(name=name, path=Path(path), layout=chosen_layouts.get(name), ids_of=chosen_ids.get(name))
        for name, (_, path) in zip(names, files, strict=True)
    ]


def named(text: str) -> tuple[str | None, str]:
    """The parts of `NAME=VALUE`; a value alone, or a path that is there as it stands, has no name."""
    match = None if Path(text).exists() else _NAMED.fullmatch(text)
    return (match[1], match[2]) if match else (None, text)


def _by_name(option: str, *, given: Sequence[str], names: Sequence[str], known: Mapping[str, T]) -> dict[str, T]:
    """The value for each set; one without a name is for all that have none of their own."""
    found: dict[str, T] = {}
    for name, value in sorted(map(named, given), key=lambda one: one[0] is not None):
        if name is not None and name not in names:
            raise MixtureError(f"{option} {name}={value}: no evaluation set of this name{did_you_mean(name, names)}")
        if value not in known:
            expected = ", ".join(known)
            raise MixtureError(f"{option} {value}: expected one of {expected}{did_you_mean(value, known)}")
        for one in names if name is None else [name]:
            found[one] = known[value]
    return found


def read_set(asked: SetToRead, *, progress: Callable[[int], None]) -> EvaluationSet:
    """Read one evaluation set; `progress` hears the bytes read since its last call.

    Raises:
        RawDataError: when the file is missing, damaged, empty or of no known layout, or when its image ids are bare
            numbers and nothing says whose.
    """
    path = asked.path
    detected = detect_layout(path, asked.layout)
    rows = _table_rows(path, detected.separator) if detected.at == "table" else _rows(path, detected, progress)
    collection = asked.ids_of or detected.layout.collection
    frames = [pl.DataFrame(schema=ITEM)]
    left_out = 0
    with uncollected():
        while batch := list(islice(rows, _BATCH)):
            kept = [items for record, items in batch if not (detected.layout.splits and record.split == "train")]
            left_out += len(batch) - len(kept)
            frames.append(_compared(path, [item for items in kept for item in items], collection))
    questions = pl.concat(frames)
    if questions.is_empty():
        raise RawDataError(f"{path}: nothing to compare with; {left_out:,} records of the split train are left out")
    return EvaluationSet(
        name=asked.name,
        path=path,
        layout=detected.layout.name,
        sha256=sha256_of(path),
        questions=questions,
        collection=collection,
        left_out=left_out,
    )


def _compared(path: Path, items: list[Item], collection: ImageCollection | None) -> pl.DataFrame:
    frame = pl.DataFrame(items, schema=ITEM, orient="row")
    if collection is None:
        _require_known(path, frame["image"])
    return frame.with_columns(image_key(pl.col("image"), collection).alias("image"), normalised(bare(frame["text"])))


def _rows(path: Path, detected: DetectedLayout, progress: Callable[[int], None]) -> Iterator[tuple[Any, list[Item]]]:
    """Each record with what it asks."""
    layout = detected.layout
    file = RawFile(
        role=layout.name,
        path=path.name,
        form=layout.form,
        at=detected.at,
        id=layout.id if detected.at != "{}" else None,
    )
    seen: set[str] = set()
    for place, identifier, found in read(file, path, progress):
        where = json_path(file, place)
        if isinstance(found, BadRecord):
            raise RawDataError(f"{path}: {found.where}: {found.why}, expected layout {layout.name}; fix the file")
        if layout.id is not None:
            if identifier in seen:
                raise RawDataError(f"{path}: {where}: this {layout.id} occurs twice, expected once (id {identifier!r})")
            seen.add(identifier)
        yield (
            found,
            _items(path, detected=detected, identifier=identifier if layout.id else where, where=where, record=found),
        )


def _table_rows(path: Path, separator: str) -> Iterator[tuple[Any, list[Item]]]:
    """The rows of a CSV or TSV, as those of a list."""
    detected = DetectedLayout(LAYOUTS["list"], "table")
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = [column.strip('" \r\n') for column in file.readline().split(separator)]
        table = pl.read_csv(path, separator=separator, infer_schema=False, columns=[c for c in LISTED if c in header])
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        why = str(error).strip().split("\n", 1)[0].lower()
        raise RawDataError(f"{path}: not a complete table: {why}; get it again") from None
    if len(header) == 1:
        table = table.drop_nulls()  # blank lines
    for i, row in enumerate(table.iter_rows(named=True), start=1):
        record = msgspec.convert(row, Listed)
        yield record, _items(path, detected=detected, identifier=f"row {i}", where=f"row {i}", record=record)


def _items(path: Path, *, detected: DetectedLayout, identifier: str, where: str, record: Any) -> list[Item]:
    try:
        return list(detected.layout.items(identifier, record))
    except ValueError as error:
        raise RawDataError(f"{path}: {where}: {error}; fix the file") from None


def _require_known(path: Path, images: pl.Series) -> None:
    """No image id is a bare number: those mean nothing without their collection."""
    bare_ids = images.to_frame("image").filter(is_bare_number(pl.col("image")))["image"]
    if not bare_ids.is_empty():
        raise RawDataError(
            f"{path}: image ids are bare numbers such as {bare_ids[0]!r}, expected to know whose they are; "
            f"pass --ids-of {', '.join(COLLECTIONS)} or own"
        )
