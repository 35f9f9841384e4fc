"""Folders that say themselves which of their files hold records: mixtures, folders that `datasets` saved, the Hub's.

A data set of the Hub is downloaded below the raw folder once and is a raw file like any other from then on: what a
mixture was built from can be read again without the Hub.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import msgspec

from mix665k.schemas.errors import HubError, RawDataError
from mix665k.schemas.files import UNREADABLE, fault, os_errors, write_whole
from mix665k.schemas.hub import HubAddress, download_into, hub_address
from mix665k.schemas.manifest import MANIFEST, load_manifest

HUB = "hf:/"
"""How an address of the Hub begins."""
_SUFFIXES = (".parquet", ".arrow", ".json", ".jsonl", ".json.gz", ".jsonl.gz")
_ABOUT = ("state.json", "dataset_info.json", "dataset_dict.json", "dataset_infos.json", MANIFEST)
"""Files of these suffixes that hold no records."""
_DONE = ".downloaded"
"""Which files a folder below `hub/` has all of: a pattern on each line."""
_SPLIT = re.compile(r"(?:^|[-_./])(train|test|val|valid|validation|dev|eval)(?:ing)?(?=[-_./]|$)", re.IGNORECASE)


T = TypeVar("T")


class _File(msgspec.Struct):
    filename: str


class _State(msgspec.Struct):
    """`state.json` of a folder that `datasets` has saved."""

    files: list[_File] = msgspec.field(name="_data_files")


class _Splits(msgspec.Struct):
    """`dataset_dict.json`, beside a folder for each split."""

    splits: list[str]


def stored_parts(folder: Path) -> tuple[Path, ...]:
    """The files of records, in order, of a mixture or of a folder that `datasets` saved; none for another folder.

    Of a saved folder of several splits there are none; see `splits_in`.

    Raises:
        RawDataError: when the file that lists them is damaged.
        MixtureError: when it is a damaged manifest.
    """
    if (folder / MANIFEST).is_file() and (folder / "data").is_dir():
        shards = [shard.path for entry in load_manifest(folder).sources for shard in entry.shards]
        if outside := [path for path in shards if Path(path).parent.as_posix() != "data"]:
            raise RawDataError(f"{folder / MANIFEST}: shard {outside[0]!r}, expected one in data/; build it again")
        return tuple(folder / path for path in shards)
    if (state := folder / "state.json").is_file():
        names = [file.filename for file in _decoded(state, _State).files]
        if outside := [name for name in names if Path(name).name != name]:
            raise RawDataError(f"{state}: file name {outside[0]!r}, expected one without folders; save it again")
        return tuple(folder / name for name in names)
    splits = splits_in(folder)
    return stored_parts(folder / splits[0]) if len(splits) == 1 else ()


def splits_in(folder: Path) -> list[str]:
    """The splits of a folder that `datasets` saved as several; empty for another.

    Raises:
        RawDataError: when the file that lists them is damaged.
    """
    about = folder / "dataset_dict.json"
    return [name for name in _decoded(about, _Splits).splits if (folder / name).is_dir()] if about.is_file() else []


def _decoded(path: Path, form: type[T]) -> T:
    try:
        with os_errors(RawDataError, path):
            return msgspec.json.decode(path.read_bytes(), type=form)
    except UNREADABLE as error:
        at, why = fault(error)
        raise RawDataError(f"{path}: {at}{at and ': '}{why}; save the dataset again") from None


def hub_folder(raw: Path, address: HubAddress) -> Path:
    """Where below the raw folder a data set of the Hub lies."""
    revision = f"@{address.revision.replace('/', '_')}" if address.revision else ""
    return raw / "hub" / f"{address.dataset}{revision}"


def hub_parts(raw: Path, named: str) -> tuple[Path, ...]:
    """The files that an address of the Hub means, of those that were downloaded; else the folder where they should be.

    Raises:
        HubError: when it is no address.
    """
    address = hub_address(named)
    folder = hub_folder(raw, address)
    if not folder.is_dir():
        return (folder,)
    if address.file is None and (stored := stored_parts(folder)):
        return stored
    return tuple(_matching(folder, address)) or (folder / (address.file or ""),)


def _patterns(address: HubAddress) -> list[str]:
    return [address.file] if address.file else [f"*{suffix}" for suffix in _SUFFIXES]


def _matching(folder: Path, address: HubAddress) -> list[Path]:
    """The files of records in a downloaded folder that an address means, as the Hub's own patterns match."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in _ABOUT]
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return [
        path
        for path, name in names.items()
        if name[0] != "." and any(fnmatchcase(name, pattern) for pattern in _patterns(address))
    ]


def kinds_of(parts: Sequence[Path]) -> list[str]:
    """Patterns of the files of each folder, split and suffix, where there are several; empty where all are alike."""
    found: dict[tuple[Path, str, str], str] = {}
    for path in parts:
        split = _SPLIT.search(path.name) or _SPLIT.search(path.parent.name)
        name = split[1] if split else ""
        suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
        found.setdefault((path.parent, name.lower(), suffix), f"{path.parent.name}/*{name}*{suffix}")
    return list(found.values()) if len(found) > 1 else []


def bring(raw: Path, named: str) -> None:
    """Download what an address of the Hub means into its folder below the raw folder, unless it is there.

    Raises:
        HubError: when the Hub cannot be reached or refuses, or has no such files.
    """
    address = hub_address(named)
    folder = hub_folder(raw, address)
    patterns = [*_patterns(address), *_ABOUT]
    done = (folder / _DONE).read_text().splitlines() if (folder / _DONE).is_file() else []
    if set(patterns) <= set(done):
        return
    with os_errors(HubError, folder):
        download_into(folder, named, address=address, patterns=patterns)
        if not _matching(folder, address):
            expected = address.file or f"file that ends in {', '.join(_SUFFIXES)}"
            raise HubError(f"{named}: the dataset has no {expected}; check the address")
        write_whole(folder / _DONE, "".join(f"{line}\n" for line in dict.fromkeys([*done, *patterns])))
