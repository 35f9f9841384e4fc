"""Pictures in shards, found by an index that is made once and mapped into memory by all processes.

The index is an Arrow file, its rows sorted by name. It is called after the paths, sizes and times of the shards: when
one of them changes another index is made.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from mix665k.schemas.cache import cached
from mix665k.schemas.errors import ImageFileError
from mix665k.schemas.files import os_errors, regular_file
from mix665k.schemas.images.folder import Images, folders_of
from mix665k.schemas.images.found import Found
from mix665k.schemas.images.parquet import pictures_in_parquet, read_packed
from mix665k.schemas.images.tars import pictures_in_tar

SUFFIXES = (".parquet", ".tar")
PUBLISHED = "images"
"""The folder of a published mixture that has the records with their pictures."""
_BESIDE = (".idx", ".json", ".jsonl", ".md", ".txt", ".yaml", ".yml", ".csv")
"""What lies beside shards to describe them."""
_FIELDS = [("shard", pa.int32()), ("other", pa.int32()), ("size", pa.int64()), ("offset", pa.int64())]
_FIELDS += [("group", pa.int32()), ("column", pa.int32()), ("row", pa.int32())]
_SCHEMA = pa.schema([("name", pa.large_string()), *_FIELDS])
"""`other` is a shard that has another picture of this name, or -1."""


class Shard(NamedTuple):
    """A file of pictures: its path as messages show it, its size, and what changes when its content does."""

    path: str
    size: int
    stamp: str


class Files(Protocol):
    """The files that shards are, wherever they lie."""

    shards: Sequence[Shard]

    def local(self, shard: Shard) -> Path:
        """A copy of a shard on this machine, or itself."""
        ...

    def is_kept(self, shard: Shard) -> bool:
        """Whether `local` costs nothing."""
        ...

    def read_at(self, shard: Shard, offset: int, size: int) -> bytes:
        """Some bytes of a shard.

        Raises:
            OSError: when it is cut off or cannot be read.
        """
        ...


class LocalFiles(Files):
    """Shards on this machine."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.shards = []
        for path in paths:
            with os_errors(ImageFileError, path):
                status = regular_file(path).stat()
            self.shards.append(Shard(str(path), status.st_size, str(status.st_mtime_ns)))

    def local(self, shard: Shard) -> Path:
        """See `Files`."""
        return Path(shard.path)

    def read_at(self, shard: Shard, offset: int, size: int) -> bytes:
        """See `Files`."""
        return self.read_bytes(Path(shard.path), offset, size)

    def is_kept(self, shard: Shard) -> bool:  # noqa: ARG002
        """See `Files`."""
        return True

    @staticmethod
    def read_bytes(path: Path, offset: int, size: int) -> bytes:
        """Some bytes of a file on this machine.

        Raises:
            OSError: when it cannot be read, or ends before.
        """
        # opened for each picture, as a loose file is: no file stays open that a process forked or a thread would share
        handle = os.open(path, os.O_RDONLY)
        try:
            content = os.pread(handle, size, offset)
            while len(content) < size and (more := os.pread(handle, size - len(content), offset + len(content))):
                content += more
        finally:
            os.close(handle)
        if len(content) < size:
            raise OSError(errno.EIO, "ends before the picture does; it changed since its index was made", str(path))
        return content


def are_shards(entries: Iterable[tuple[str, bool]]) -> bool:
    """Whether what lies in a folder, names and whether they are files, are shards; looked at up to the first other."""
    found = False
    for name, is_file in entries:
        suffix = os.path.splitext(name)[1]  # noqa: PTH122, a third of the time of a Path
        if name.startswith(".") or suffix in _BESIDE:
            continue
        if suffix not in SUFFIXES or not is_file:
            return False
        found = True
    return found


class _Entry(NamedTuple):
    """A row of the index without its name."""

    shard: int
    other: int
    size: int
    offset: int
    group: int
    column: int
    row: int


class ImageShards(Images):
    """The pictures of shards by their names; pickled as its files and the place of the index, which is mapped.

    Raises:
        ImageFileError: when a shard is damaged.
        OSError: when the index cannot be written.
    """

    def __init__(self, place: str, files: Files, *, beside: Path) -> None:
        self.place = place
        self._files = files
        self._beside = beside
        told = json.dumps([place, *files.shards]).encode()
        self._name = f"images-1-{hashlib.sha256(told).hexdigest()[:24]}.arrow"
        self._table  # noqa: B018, damage is found before anything else is done

    @cached_property
    def _table(self) -> pa.Table:
        return cached(self._beside, self._name, write=self._write, read=_map)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_table", "_names", "_folders")}

    def __len__(self) -> int:
        return len(self._names)

    def read(self, name: str) -> bytes:
        """See `Images`. A name that different pictures have is an error, as is none."""
        found = self._entry(name)
        shard = self._files.shards[found.shard]
        if found.offset < 0:
            if not self._files.is_kept(shard):
                why = "its shard is compressed and larger than the cache has room; raise MIX665K_CACHE_GB"
                raise OSError(errno.ENOSPC, why, name)
            return read_packed(self._files.local(shard), Found(name, *found[2:]))
        return self._files.read_at(shard, found.offset, found.size)

    def num_bytes(self, name: str) -> int:
        """See `Images`."""
        return self._entry(name).size if self.has(name) else 0

    def has(self, name: str) -> bool:
        """See `Images`."""
        return self._find(name) is not None

    def stamp(self, name: str) -> str:
        """See `Images`."""
        at = self._find(name)
        if at is None:
            return ""
        found = self._at(at)
        return f"{self._files.shards[found.shard].stamp} {found.size} {found.offset} {found.group} {found.row}"

    def shown(self, name: str) -> str:
        """See `Images`."""
        at = self._find(name)
        return f"{self.place if at is None else self._files.shards[self._at(at).shard].path}: {name}"

    def names_in(self, folder: str) -> list[str]:
        """See `Images`."""
        return self._folders.get(folder.strip("/"), [])

    def is_folder(self, name: str) -> bool:
        """See `Images`."""
        return name.strip("/") in self._folders

    @cached_property
    def _names(self) -> Any:
        return self._table.column("name").combine_chunks()

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        return folders_of(self._names.to_pylist())

    def _find(self, name: str) -> int | None:
        """The row of a name."""
        names, low, high = self._names, 0, len(self._names)
        while low < high:
            middle = (low + high) // 2
            if names[middle].as_py() < name:
                low = middle + 1
            else:
                high = middle
        return low if low < len(names) and names[low].as_py() == name else None

    def _at(self, row: int) -> _Entry:
        return _Entry(*(self._table.column(name)[row].as_py() for name in _Entry._fields))

    def _entry(self, name: str) -> _Entry:
        at = self._find(name)
        if at is None:
            raise FileNotFoundError(errno.ENOENT, "no such picture in the shards", self.shown(name))
        found = self._at(at)
        if found.other >= 0:
            shards = self._files.shards
            where = f"{shards[found.shard].path} and {shards[found.other].path}"
            raise OSError(errno.EEXIST, f"different pictures have this name, in {where}", name)
        return found

    def _write(self, part: Path) -> None:
        entries = _Entries(self._files)
        for i, shard in enumerate(self._files.shards):
            for found in _pictures_in(self._files.local(shard), shard):
                entries.add(i, found)
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_table(entries.table())


class _Entries:
    """An index while it is made: the first picture of each name, and whether others of the name are the same."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._found: dict[str, _Entry] = {}
        self._digests: dict[str, bytes] = {}

    def add(self, shard: int, found: Found) -> None:
        """Note a picture; publishing puts one beside every record that shows it, so most come several times."""
        entry = _Entry(shard, -1, *found[1:6])
        first = self._found.setdefault(found.name, entry)
        if found.digest and first is entry:
            self._digests[found.name] = found.digest
        if first is entry or first.other >= 0:
            return
        if first.size != found.size or self._digest(first, found.name) != (found.digest or self._read(entry)):
            self._found[found.name] = first._replace(other=shard)

    def _digest(self, first: _Entry, name: str) -> bytes:
        if name not in self._digests:
            self._digests[name] = self._read(first)
        return self._digests[name]

    def _read(self, entry: _Entry) -> bytes:
        with os_errors(ImageFileError, self._files.shards[entry.shard].path):
            content = self._files.read_at(self._files.shards[entry.shard], entry.offset, entry.size)
        return hashlib.blake2b(content, digest_size=16).digest()

    def table(self) -> pa.Table:
        """The index, in the order of the names."""
        names = sorted(self._found)
        rows = zip(*(self._found[name] for name in names), strict=True) if names else [()] * len(_FIELDS)
        columns = [pa.array(names, pa.large_string())]
        columns += [pa.array(values, kind) for values, (_, kind) in zip(rows, _FIELDS, strict=True)]
        return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _pictures_in(path: Path, shard: Shard) -> Iterator[Found]:
    return pictures_in_parquet(path) if shard.path.endswith(".parquet") else pictures_in_tar(path)


def _map(path: Path) -> pa.Table | None:
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
    except (pa.ArrowException, OSError):
        return None
    return table if table.schema.equals(_SCHEMA) else None
