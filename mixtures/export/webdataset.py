"""WebDataset: tar files of samples, `KEY.json` beside `KEY.jpg`, as webdataset, `datasets` and Megatron-Energon read.

Beside the shards stand a README.md, from which `datasets` takes the columns (it looks at five samples otherwise, and
loses what none of them has), and Energon's index: the offset of each sample in `SHARD.tar.idx`, the rest in `.nv-meta`.
"""

import io
import json
import struct
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import yaml

from mix665k.mixtures.card.front_matter import features
from mix665k.mixtures.export.pictures import Chosen, names_in
from mix665k.mixtures.storage.parquet import TURN, to_dicts
from mix665k.mixtures.terminal import Advance

_SHARD = "train-{:06d}.tar"
_KEY = "{:09d}"
"""The number of a record among those written: a dot or a slash of an id would be taken for a suffix or a folder."""
_ABOUT = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("reference_id", pa.string()),
        pa.field("images", pa.list_(pa.string())),
        pa.field("conversations", pa.list_(TURN)),
    ]
)
"""What `KEY.json` says, in every sample the same fields."""


class Limits(NamedTuple):
    """When a shard is full: at so many bytes, or records."""

    num_bytes: int
    records: int | None = None


class _Sample(NamedTuple):
    key: str
    files: list[tuple[str, bytes]]

    @property
    def num_bytes(self) -> int:
        """What it takes in a tar file: a block of 512 bytes before each file, which is filled up to whole blocks."""
        return sum(512 + -(-len(content) // 512) * 512 for _, content in self.files)


def write_webdataset(chosen: Chosen, out: Path, limits: Limits, *, advance: Advance) -> dict[str, int]:
    """Write shards and what loaders read beside them into a folder; gives the records of each shard.

    Raises:
        MixtureError: when the mixture or a picture is damaged.
        OSError: when there is no room.
    """
    suffixes: set[str] = set()
    counts: dict[str, int] = {}
    for shard in _shards(_samples(chosen, suffixes, advance=advance), limits):
        name = _SHARD.format(len(counts))
        counts[name] = _write_shard(out / name, shard)
    _write_readme(out / "README.md", sorted(suffixes), counts)
    _write_energon(out / ".nv-meta", counts)
    return counts


def _samples(chosen: Chosen, suffixes: set[str], *, advance: Advance) -> Iterator[_Sample]:
    """The records with their pictures; what their files are called after the key is added to `suffixes`."""
    encode = msgspec.json.Encoder().encode
    number = 0
    for rows in chosen.rows(advance=advance):
        for row, names in zip(to_dicts(rows), names_in(rows), strict=True):
            found = [chosen.picture(name) for name in names]
            files = [
                (one.suffix if len(found) == 1 else f"{i}.{one.suffix}", one.content) for i, one in enumerate(found)
            ]
            suffixes.update(suffix for suffix, _ in files)
            about = {name: names if name == "images" else row[name] for name in _ABOUT.names}
            if system := row.get("system"):
                about["conversations"] = [{"from": "system", "value": system}, *about["conversations"]]
            yield _Sample(_KEY.format(number), [*files, ("json", encode(about))])
            number += 1


def _shards(samples: Iterable[_Sample], limits: Limits) -> Iterator[Iterator[_Sample]]:
    """Samples in groups, each of which has to be read to its end before the next; one at least in each."""
    stream = iter(samples)
    following = next(stream, None)

    def group() -> Iterator[_Sample]:
        nonlocal following
        count = num_bytes = 0
        while following is not None:
            num_bytes += following.num_bytes
            if count and (num_bytes > limits.num_bytes or count == limits.records):
                return
            yield following
            count += 1
            following = next(stream, None)

    while following is not None:
        yield group()


def _write_shard(path: Path, samples: Iterable[_Sample]) -> int:
    """Write a tar file and its index; gives the number of samples."""
    offsets = []
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            offsets.append(tar.offset)
            for suffix, content in sample.files:
                member = tarfile.TarInfo(f"{sample.key}.{suffix}")  # without owner and time: equal runs, equal bytes
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        end = tar.offset
    path.with_suffix(".tar.idx").write_bytes(struct.pack(f"<{len(offsets) + 1}Q", *offsets, end))
    return len(offsets)


def _write_readme(path: Path, suffixes: Iterable[str], counts: dict[str, int]) -> None:
    columns: list[dict[str, Any]] = [{"name": suffix, "dtype": "image"} for suffix in suffixes]
    columns += [{"name": "json", "struct": features(_ABOUT)}]
    columns += [{"name": name, "dtype": "string"} for name in ("__key__", "__url__")]
    files = [{"split": "train", "path": "train-*.tar"}]
    front = {
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": columns},
    }
    text = f"{sum(counts.values()):,} records in {len(counts):,} WebDataset shards, written by `mix export`.\n"
    path.write_text(f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{text}", encoding="utf-8")


def _write_energon(folder: Path, counts: dict[str, int]) -> None:
    folder.mkdir()
    described = {"__module__": "megatron.energon", "__class__": "CrudeWebdataset", "subflavors": {}}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
    parts = {"split_parts": {"train": list(counts), "val": [], "test": []}, "exclude": []}
    (folder / "split.yaml").write_text(yaml.safe_dump(parts, sort_keys=False))
    (folder / ".info.json").write_text(json.dumps({"shard_counts": counts}, indent=2))
