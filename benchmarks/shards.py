"""Pictures in shards against the same pictures as loose files.

One core reads pictures in random order, alone and as training does it (decoded, padded, resized, normalised). The ways
take turns every twenty pictures, so that whatever else runs meets all of them; each counts the processor time of its
best turns. Files and shards come from a warm page cache, where opening a file is cheapest. An index is made by a
process that has none.
"""

import io
import random
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import datasets
import pyarrow.parquet as pq
import torch
import transformers

from benchmarks.images import NUM_FILES, draw_files
from benchmarks.images import WORK as DRAWN
from benchmarks.results import write_section
from mix665k.schemas.images.places import images_at
from mix665k.trainer.data.images import ImageLoader

WORK = DRAWN.parent / "shards"
ROUNDS = 3
TURN = 20
NUM_READ = 1_000
GOAL = 0.95


class Way(NamedTuple):
    """Where pictures come from."""

    title: str
    place: Path


WAYS = (
    Way("loose files", WORK / "files"),
    Way("tar", WORK / "tar"),
    Way("Parquet of `mix publish`", WORK / "parquet"),
    Way("Parquet, compressed", WORK / "compressed"),
)


def main() -> None:
    """Make the places if they are missing, measure, write the table."""
    if not WORK.is_dir():
        _make()
    names = sorted(path.relative_to(WORK / "files").as_posix() for path in (WORK / "files").rglob("*.jpg"))
    random.Random(0).shuffle(names)
    del names[NUM_READ:]
    made = {way.title: _index_seconds(way.place) for way in WAYS[1:]}
    read = _seconds({way.title: images_at(way.place).read for way in WAYS}, names)
    torch.set_num_threads(1)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=336)
    loaders = {way.title: ImageLoader(way.place, processor, speed="fast") for way in WAYS}
    load = _seconds({title: _loading(loader) for title, loader in loaders.items()}, names)
    _write(made, read, load)


def _loading(loader: ImageLoader) -> Callable[[str], object]:
    return lambda name: loader.load(name, record="")


def _make() -> None:
    if not (DRAWN / "0").is_dir():
        draw_files(DRAWN / "0")
    part = WORK.with_name("shards.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(DRAWN / "0", part / "files/coco")
    files = sorted((part / "files/coco").iterdir())
    for name in ("tar", "parquet", "compressed"):
        (part / name).mkdir()
    with tarfile.open(part / "tar/a.tar", "w") as tar:
        tar.add(part / "files/coco", arcname="coco")
    rows = [{"bytes": file.read_bytes(), "path": f"coco/{file.name}"} for file in files]
    columns = datasets.Features({"image": datasets.Image()})
    table = datasets.Dataset.from_dict({"image": rows}, features=columns).data.table
    pq.write_table(table, part / "compressed/a.parquet", row_group_size=100)
    plain = {"image.bytes": "none", "image.path": "zstd"}
    pq.write_table(table, part / "parquet/a.parquet", row_group_size=100, compression=plain, use_dictionary=False)
    part.rename(WORK)


def _index_seconds(place: Path) -> float:
    shutil.rmtree(place / ".cache", ignore_errors=True)
    begun = time.process_time()
    images_at(place)
    return time.process_time() - begun


def _seconds(ways: dict[str, Callable[[str], object]], names: Sequence[str]) -> dict[str, float]:
    """What each way needs for all pictures: its least over the rounds, each turn by itself."""
    turns = [names[start : start + TURN] for start in range(0, len(names), TURN)]
    least = {title: [float("inf")] * len(turns) for title in ways}
    for _ in range(ROUNDS):
        for i, turn in enumerate(turns):
            order = list(ways.items())
            for title, read in [*order[i % len(order) :], *order[: i % len(order)]]:
                begun = time.process_time()
                for name in turn:
                    read(name)
                least[title][i] = min(least[title][i], time.process_time() - begun)
    return {title: sum(each) for title, each in least.items()}


def _write(made: dict[str, float], read: dict[str, float], load: dict[str, float]) -> None:
    loose = WAYS[0].title
    rows = io.StringIO()
    for title in read:
        index = f"{made[title]:.2f} s" if title in made else ""
        rows.write(
            f"| {title} | {NUM_READ / read[title]:,.0f} | {NUM_READ / load[title]:,.0f} "
            f"| {load[loose] / load[title]:.3f} | {index} |\n"
        )
    write_section(
        "Pictures in shards",
        [
            (__doc__ or "").partition("\n\n")[2].strip(),
            "",
            f"{NUM_READ:,} of {NUM_FILES:,} made-up JPEGs of 640 x 480, for a tower of 336 pixels:",
            "",
            "| | read a second | loaded a second | loaded, of loose files | making the index |",
            "|---|---:|---:|---:|---:|",
            *rows.getvalue().splitlines(),
            "",
            f"The goal is {GOAL} of loose files from shards that are not compressed. Of compressed Parquet a part of "
            "the row group is unpacked for each picture.",
        ],
        libraries=("pillow", "pyarrow", "torch", "transformers"),
        command=f"python -m {Path(sys.argv[0]).parent.name}.{Path(sys.argv[0]).stem}",
    )


if __name__ == "__main__":
    main()
