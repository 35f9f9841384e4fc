"""Pictures at an address: shards, kept on this machine as far as the cache has room, or files read one by one."""

import errno
import hashlib
import os
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from mix665k.schemas.cache import user_cache
from mix665k.schemas.errors import ImageFileError
from mix665k.schemas.files import held
from mix665k.schemas.images.folder import Images, ImagesBelow, folders_of
from mix665k.schemas.images.shards import PUBLISHED, SUFFIXES, Files, ImageShards, LocalFiles, Shard, are_shards
from mix665k.schemas.manifest import MANIFEST
from mix665k.schemas.remote import RemoteFile, copy_here, files_below, read_range, read_remote, scheme_of

CACHE_GB = "MIX665K_CACHE_GB"
_DEFAULT_GB = 50.0
_BUCKET = 2
"""Slashes in the address of a bucket, above which nothing is."""
_ROOTS = {"hf": 4}
"""The same of a data set on the Hub."""
_PASSING = ".passing"
"""A shard that is not kept, while its index is made."""


def cache_bytes() -> int:
    """How many bytes of shards are kept on this machine.

    Raises:
        ImageFileError: when the variable holds no number.
    """
    text = os.environ.get(CACHE_GB, "")
    try:
        found = float(text) if text else _DEFAULT_GB
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e6:
        raise ImageFileError(f"{CACHE_GB}={text}: expected gigabytes, such as {_DEFAULT_GB:g}")
    return int(found * 1e9)


class RemoteShards(Files):
    """Shards at an address. What the cache has room for is copied once; of the others pictures are read by range."""

    def __init__(self, address: str, files: Sequence[RemoteFile]) -> None:
        self.shards = [Shard(f"{address}/{one.path}" if one.path else address, one.size, one.stamp) for one in files]
        self.folder = user_cache() / "remote" / hashlib.sha256(address.encode()).hexdigest()[:24]

    def local(self, shard: Shard) -> Path:
        """See `Files`: a copy; where the cache is full one that the next such shard replaces."""
        path = self._copy_of(shard)
        with held(self.folder.parent / ".lock", busy=None):  # of several processes one copies, the others wait
            if path.is_file():
                return path
            if not self._make_room(shard.size):
                path = self.folder / f"{_PASSING}{Path(shard.path).suffix}"
            return copy_here(shard.path, path, size=shard.size)

    def read_at(self, shard: Shard, offset: int, size: int) -> bytes:
        """See `Files`."""
        try:
            return LocalFiles.read_bytes(self._copy_of(shard), offset, size)
        except FileNotFoundError:
            return read_range(shard.path, offset, size)

    def is_kept(self, shard: Shard) -> bool:
        """See `Files`."""
        return self._copy_of(shard).is_file()

    def _copy_of(self, shard: Shard) -> Path:
        told = hashlib.sha256(repr(shard).encode()).hexdigest()[:24]
        return self.folder / f"{told}{Path(shard.path).suffix}"

    def _make_room(self, size: int) -> bool:
        """Whether a shard may be kept: other places' shards and changed ones make way, this place's own do not."""
        # Shards are read in random order: if a new one replaced another of the same place, all would be copied again
        # and again.
        limit = cache_bytes()
        mine = {self._copy_of(shard) for shard in self.shards}
        there = sorted(
            (path for suffix in SUFFIXES for path in self.folder.parent.glob(f"*/*{suffix}")),
            key=lambda path: path.stat().st_mtime,
        )
        total = sum(path.stat().st_size for path in there) + size
        kept = sum(path.stat().st_size for path in there if path in mine) + size
        if kept > limit:
            return False
        for path in there:
            if total <= limit:
                break
            if path not in mine:
                total -= path.stat().st_size
                path.unlink()
        return True


class RemoteImages(Images):
    """Pictures that are files at an address, listed once; each is read when it is asked for."""

    def __init__(self, address: str, files: Sequence[RemoteFile]) -> None:
        self.address = address
        self._files = {one.path: one for one in files}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_folders"}

    def __len__(self) -> int:
        return len(self._files)

    def read(self, name: str) -> bytes:
        """See `Images`."""
        if name not in self._files:
            raise FileNotFoundError(errno.ENOENT, "no such picture", self.shown(name))
        return read_remote(self.shown(name))

    def num_bytes(self, name: str) -> int:
        """See `Images`."""
        return self._files[name].size if name in self._files else 0

    def has(self, name: str) -> bool:
        """See `Images`."""
        return name in self._files

    def stamp(self, name: str) -> str:
        """See `Images`."""
        return f"{self._files[name].size} {self._files[name].stamp}" if name in self._files else ""

    def shown(self, name: str) -> str:
        """See `Images`."""
        return f"{self.address}/{name}"

    def names_in(self, folder: str) -> list[str]:
        """See `Images`."""
        return self._folders.get(folder.strip("/"), [])

    def is_folder(self, name: str) -> bool:
        """See `Images`."""
        return name.strip("/") in self._folders

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        return folders_of(self._files)


@lru_cache(maxsize=8)
def images_at_address(address: str) -> Images:
    """The pictures at an address; listed once in a process.

    Raises:
        RemoteError: when it cannot be listed or read.
        ImageFileError: when a shard is damaged.
    """
    address = address.rstrip("/")
    place, shards = _shards_at(address)
    if shards:
        files = RemoteShards(place, shards)
        return ImageShards(address, files, beside=files.folder)
    found = files_below(address)
    above, rest = address, ""
    while not found and above.count("/") > _ROOTS.get(scheme_of(address), _BUCKET):  # a folder of the names in shards
        above, _, last = above.rpartition("/")
        rest = f"{last}/{rest}".rstrip("/")
        if _shards_at(above)[1]:
            there = images_at_address(above)
            return ImagesBelow(there, rest) if there.is_folder(rest) else RemoteImages(address, [])
    return RemoteImages(address, found)


def _shards_at(address: str) -> tuple[str, list[RemoteFile]]:
    """Where the shards are, and which; none for an address of loose files."""
    beside = files_below(address, deep=False)
    names = [one.path for one in beside]
    if names in ([""], [address.rpartition("/")[2]]) and address.endswith(SUFFIXES):
        return address, [beside[0]._replace(path="")]
    if MANIFEST in names:
        address = f"{address}/{PUBLISHED}"
        beside = files_below(address, deep=False)
    if not are_shards((one.path, one.size >= 0) for one in beside):
        return address, []
    return address, [one for one in beside if one.path.endswith(SUFFIXES)]
