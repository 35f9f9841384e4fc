"""A mixture's rows, by number, in the order of its manifest."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mix665k.schemas.cache import cached
from mix665k.schemas.conversation import IMAGE_TOKEN, in_order
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import MANIFEST, Manifest, Shard, load_manifest
from mix665k.schemas.shards import AGAIN, OPTIONAL, open_shard, with_optional

_ROWS_PER_BATCH = 8_192
_READ = ["id", "source", "image", "conversations", *OPTIONAL.names]
_MAPPED = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("turns", pa.list_(pa.string()), nullable=False),
        *OPTIONAL,
    ]
)
"""What training needs of a row; the texts of human and gpt in turn."""


class Row(NamedTuple):
    """One record: its (question, answer) pairs as the mixture has them."""

    id: str
    source: str
    image: str | None
    pairs: list[tuple[str, str]]
    more_images: Sequence[str] = ()
    system: str | None = None

    @property
    def images(self) -> list[str]:
        """All images, in reading order: one for each image token of the questions."""
        return in_order(self.image, self.more_images)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a mixture, all of whose shards exist and have the right size.

    Raises:
        MixtureError: when the folder is no mixture, an unfinished one, one of another version, or a shard is missing or
            has another size.
    """
    manifest = load_manifest(folder)
    for shard in _shards(manifest):
        file = folder / shard.path
        if not file.is_file():
            raise MixtureError(f"{file}: no such file, expected it as {MANIFEST} says; {AGAIN}")
        if (size := file.stat().st_size) != shard.bytes:
            raise MixtureError(f"{file}: {size:,} bytes, expected {shard.bytes:,} as {MANIFEST} says; {AGAIN}")
    return manifest


def _shards(manifest: Manifest) -> Iterator[Shard]:
    for entry in manifest.sources:
        yield from entry.shards


class Mixture:
    """The rows of a mixture; pickled as its path.

    When the mixture is first opened, shards are checked against the manifest's hashes, and rows for what training
    relies on: whole pairs of human and gpt, and an image token for each image.

    Raises:
        MixtureError: when the folder is no complete mixture, or its rows cannot be trained on.
        OSError: when its cache cannot be written.
    """

    # The Parquet is unpacked once into an Arrow file, `MIXTURE/.cache`, that all ranks and workers map: none of them
    # holds a copy, and any row is read without decoding its row group.

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        name = f"rows-2-{self.row_hash[:16]}.arrow"
        self._table = cached(folder, name, write=partial(_unpack, folder=folder, manifest=self.manifest), read=_map)
        self._batches = self._table.to_batches()
        self._starts = np.cumsum([0] + [len(batch) for batch in self._batches])

    def __reduce__(self) -> tuple[type["Mixture"], tuple[Path]]:
        return Mixture, (self.folder,)

    @property
    def row_hash(self) -> str:
        """The hash of the content of all rows, as the manifest records it."""
        return self.manifest.row_hash

    @property
    def images(self) -> list[str | None]:
        """The image of each row, the first where it has several."""
        paths: list[str | None] = self._table.column("image").to_pylist()
        return paths

    def image_names(self) -> set[str]:
        """All images of all rows."""
        more = self._table.column("more_images").combine_chunks().flatten().unique().to_pylist()
        return {path for path in self.images if path is not None}.union(more)

    @property
    def sources(self) -> list[str]:
        """The source of each row."""
        names: list[str] = self._table.column("source").to_pylist()
        return names

    def words(self) -> NDArray[np.int64]:
        """int64 [N]: the words of each row, split at white space: what LLaVA's trainer takes as its length.

        The image token is one of them.
        """
        # Python's `split`, as LLaVA's: Arrow's counts an empty word at each end that is white space, and takes other
        # characters for it.
        texts = (turns for batch in self._batches for turns in batch.column("turns").to_pylist())
        return np.array([sum(len(text.split()) for text in turns) for turns in texts], dtype=np.int64)

    def records_with(self, texts: Sequence[str]) -> dict[str, int]:
        """How many records have each of these texts in a question or an answer; those that none has are left out."""
        found: Counter[str] = Counter()
        anywhere = "|".join(rf"\Q{text}\E" for text in texts)
        for batch in self._batches if texts else ():
            turns = batch.column("turns")
            values = turns.flatten()
            hits = pc.match_substring_regex(values, anywhere)
            rows = pc.list_parent_indices(turns).filter(hits).to_pylist()
            shown = zip(rows, values.filter(hits).to_pylist(), strict=True)
            found.update(text for _, text in {(row, text) for row, value in shown for text in texts if text in value})
        return {text: found[text] for text in texts if text in found}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Row:
        [row] = self.rows(index, index + 1)
        return row

    def rows(self, start: int, stop: int) -> list[Row]:
        """Rows `start` to `stop`, the latter excluded.

        Raises:
            IndexError: when there are no such rows, or none between the two.
        """
        if not 0 <= start < stop <= len(self):
            raise IndexError(f"{self.folder}: no rows {start} to {stop}, it holds {len(self):,}")
        rows: list[Row] = []
        while start < stop:
            k = int(np.searchsorted(self._starts, start, side="right")) - 1
            end = min(stop, int(self._starts[k + 1]))
            rows += _to_rows(self._batches[k].slice(start - int(self._starts[k]), end - start))
            start = end
        return rows


def _to_rows(batch: pa.RecordBatch) -> list[Row]:
    ids, sources, images = (batch.column(name).to_pylist() for name in ("id", "source", "image"))
    turns = batch.column("turns")
    offsets = turns.offsets.to_pylist()
    texts = turns.values[offsets[0] : offsets[-1]].to_pylist()
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    spans = pairwise((offset - offsets[0]) // 2 for offset in offsets)
    more, systems = (batch.column(name).to_pylist() for name in OPTIONAL.names)
    columns = zip(ids, sources, images, spans, more, systems, strict=True)
    return [
        Row(id=i, source=source, image=image, pairs=pairs[a:b], more_images=others or (), system=system)
        for i, source, image, (a, b), others, system in columns
    ]


def _unpack(part: Path, *, folder: Path, manifest: Manifest) -> None:
    """Write the rows of all shards, uncompressed, to one file that can be mapped into memory."""
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, _MAPPED) as writer:
        for shard in _shards(manifest):
            path = folder / shard.path
            count = 0
            for rows in _read(path, shard.sha256):
                writer.write_batch(_checked(rows, path))
                count += len(rows)
            if count != shard.rows:
                raise MixtureError(f"{path}: {count:,} rows, expected {shard.rows:,} as {MANIFEST} says; {AGAIN}")


def _map(path: Path) -> pa.Table | None:
    """The rows of a file that `_unpack` wrote; None when it is damaged."""
    try:
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all()
    except (pa.ArrowException, OSError):
        return None


def _read(path: Path, sha256: str) -> Iterator[pa.RecordBatch]:
    if sha256_of(path) != sha256:
        raise MixtureError(f"{path}: changed since it was written, its hash is not that of {MANIFEST}; {AGAIN}")
    with open_shard(path) as shard:
        for rows in shard.iter_batches(batch_size=_ROWS_PER_BATCH, columns=_READ):
            rows.validate(full=True)
            own = {field.name: field for field in (*OPTIONAL, *rows.schema)}
            yield with_optional(rows, schema=pa.schema([own[name] for name in _READ if name in own]))


def _checked(rows: pa.RecordBatch, path: Path) -> pa.RecordBatch:
    """Rows in the form of `_MAPPED`, checked for what `Mixture` promises."""
    if rows.schema.names != _READ:
        raise MixtureError(f"{path}: columns are {rows.schema.names}, expected {_READ}; {AGAIN}")
    conversations = rows.column("conversations")
    offsets = conversations.offsets.to_numpy()
    offsets = offsets - offsets[0]
    roles, texts = conversations.flatten().flatten()
    is_odd = np.arange(len(roles)) % 2 == 1
    out_of_turn = (_flags(pc.equal(roles, "gpt")) != is_odd) | (_flags(pc.equal(roles, "human")) == is_odd)
    num_turns = np.diff(offsets)
    num_images = _sums(pc.count_substring(texts, IMAGE_TOKEN).to_numpy(), offsets)
    for bad, expected in (
        ((num_turns % 2 == 1) | (num_turns == 0), "whole pairs of human and gpt"),
        (_sums(out_of_turn, offsets) > 0, "human and gpt in turn"),
        (
            num_images != _num_images(rows),
            f"one {IMAGE_TOKEN} for each image, else none",
        ),
    ):
        if bad.any():
            raise MixtureError(f"{path}: {rows.column('id')[int(bad.argmax())]}: not as expected, {expected}; {AGAIN}")
    turns = pa.ListArray.from_arrays(pa.array(offsets), texts)
    columns = [turns if name == "turns" else rows.column(name) for name in _MAPPED.names]
    return pa.RecordBatch.from_arrays(columns, schema=_MAPPED)


def _num_images(rows: pa.RecordBatch) -> Any:
    more = pc.fill_null(pc.list_value_length(rows.column("more_images")), 0).to_numpy()
    return _flags(rows.column("image").is_valid()) + more


def _flags(values: Any) -> Any:
    return values.to_numpy(zero_copy_only=False)


def _sums(values: Any, offsets: Any) -> Any:
    """Sums of the values between offsets."""
    return np.diff(np.concatenate([[0], np.cumsum(values)])[offsets])
