"""Finished mixtures that are damaged, and files in LLaVA's form, given to the commands that read them."""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from mix665k.builders.registry import SOURCES
from tests.builders.building import FIXTURES
from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.commands import said
from tests.campaign.damage import mutate_bytes
from tests.campaign.structure import Mutation, change_json, mutate_json
from tests.mixtures.small import build_small


@cache
def _sound() -> Path:
    """A folder with a small mixture, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-mixture-"))
    build_small(folder)
    return folder


_COMMANDS: dict[str, Callable[[Path, Path], tuple[str | Path, ...]]] = {
    "inspect": lambda mixture, folder: ("inspect", mixture, "--sample", "1"),
    "verify": lambda mixture, folder: ("verify", mixture),
    "export llava": lambda mixture, folder: ("export", mixture, "--format", "llava", "--out", folder / "out.json"),
    "export messages": lambda mixture, folder: (
        "export",
        mixture,
        "--format",
        "messages",
        "--out",
        folder / "out.jsonl",
    ),
    "diff": lambda mixture, folder: ("diff", mixture, _sound() / "mixture"),
    "trace": lambda mixture, folder: ("trace", mixture, "mine/7#0"),
    "inspect --html": lambda mixture, folder: ("inspect", mixture, "--html", folder / "page.html"),
}


def make(number: int, seed: int, folder: Path) -> Case:
    """A damaged copy of a small mixture, or a mutated LLaVA JSON, and the command that is to read it."""
    rng = Random(f"mixtures/{seed}/{number}")
    if number % 4 == 3:
        file = SOURCES["llava_json"].about.files[0]
        content = (FIXTURES / file.path).read_bytes()
        mutation = mutate_json(rng, content, [file]) if rng.random() < 0.6 else mutate_bytes(rng, content)
        (folder / "llava.json").write_bytes(mutation.content)
        name = rng.choice(("inspect", "diff", "inspect --html"))
        return Case(
            "LLaVA JSON", f"{name}: {mutation.what}", lambda: _judged(name, folder / "llava.json", folder, None)
        )
    mixture = Path(shutil.copytree(_sound() / "mixture", folder / "mixture"))
    shards = sorted((mixture / "data").glob("*.parquet"))
    damaged = mixture / "manifest.json" if number % 4 == 0 else rng.choice(shards)
    if number % 4 == 0:
        mutation = (
            change_json(rng, damaged.read_bytes()) if rng.random() < 0.7 else mutate_bytes(rng, damaged.read_bytes())
        )
    elif number % 4 == 1:
        mutation = mutate_bytes(rng, damaged.read_bytes())
    else:
        mutation = _other_table(rng, damaged)
    damaged.unlink()
    damaged.write_bytes(mutation.content)
    name = rng.choice(list(_COMMANDS))
    group = ("manifest", "shard, bytes", "shard, table")[number % 4]
    mark = damaged if number % 4 and name == "verify" else None
    return Case(group, f"{name}: {damaged.name}: {mutation.what}", lambda: _judged(name, mixture, folder, mark))


def _judged(name: str, target: Path, folder: Path, mark: Path | None) -> Verdict:
    """The verdict on a command; `mark` is a file that `verify` must refuse, as its hash is another."""
    changed = mark is not None and mark.read_bytes() != (_sound() / "mixture" / "data" / mark.name).read_bytes()
    verdict = said(*_COMMANDS[name](target, folder)).verdict(
        names=[target.name, "mine", "gqa", "sharegpt"], may_pass=not changed, finds=name == "diff"
    )
    left = [path.name for path in folder.rglob("*") if path.name.endswith(".part")]
    return Verdict(verdict.result, "leftover", ", ".join(left)) if left and not verdict.fault else verdict


def _other_table(rng: Random, shard: Path) -> Mutation:
    """The shard with other columns, types or rows."""
    table = pq.read_table(shard)
    name = rng.choice(table.column_names)
    at = table.column_names.index(name)
    ways: dict[str, Callable[[], pa.Table]] = {
        "column gone": lambda: table.remove_column(at),
        "column of nulls": lambda: table.set_column(at, name, pa.nulls(len(table), table.schema.field(at).type)),
        "column of numbers": lambda: table.set_column(at, name, pa.array(range(len(table)))),
        "column of binary": lambda: table.set_column(at, name, pa.array([b"\xff"] * len(table))),
        "another column": lambda: table.append_column("more", pa.array(range(len(table)))),
        "column twice": lambda: table.append_column(name, table.column(name)),
        "no rows": lambda: table.slice(0, 0),
        "rows twice": lambda: pa.concat_tables([table, table]),
        "columns turned": lambda: table.select(table.column_names[::-1]),
    }
    what = rng.choice(list(ways))
    sink = pa.BufferOutputStream()
    pq.write_table(ways[what](), sink)
    return Mutation(f"{what}: {name}", sink.getvalue().to_pybytes(), marked=True)


KIND = Kind(
    name="mixtures",
    about="finished mixtures with a mutated manifest or damaged or rewritten shards, and mutated files in LLaVA's "
    "form, read by inspect, verify, export, diff and trace",
    cases=3_000,
    make=make,
    prepare=lambda: said("inspect", _sound() / "mixture"),
)
