"""A mixture small enough to read in one look, ways to damage a copy of it, and to look at it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner, Result

from mix665k.cli import mix
from mix665k.mixtures.api import inspect
from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.inspect.findings import Inspection
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import RowHash, from_dicts, read_shard, to_dicts
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import Manifest, load_manifest, write_manifest
from tests.conftest import SilentWatcher

SHORT = "Answer the question using a single word or phrase."
RECIPE = """
name: small
integer_ids: [gqa]
sources:
  - {source: llava_json, name: gqa, files: {records: gqa.json}}
  - {source: llava_json, name: sharegpt, files: {records: sharegpt.json}}
  - source: llava_json
    name: mine
    files: {records: mine.json}
    steps: [drop_by_length: {max_pairs: 2}]
"""


def record(identifier: str | int, image: str | None, *values: str) -> dict[str, Any]:
    """A record of LLaVA's own form, as the published file has it."""
    turns = [{"from": "gpt" if i % 2 else "human", "value": value} for i, value in enumerate(values)]
    about = {"model": ""} if image is None else {"image": image}
    return {"id": identifier, **about, "conversations": turns}


RECORDS = {
    "gqa": [
        record(2327515, "gqa/images/2327515.jpg", f"<image>\nIs it dry?\n{SHORT}", "Yes", "And the sack?", "No"),
        record("0012", "gqa/images/0012.jpg", f"<image>\nWho?\n{SHORT}", "A man"),
        record("n166008", "gqa/images/n166008.jpg", f"<image>\nWhere?\n{SHORT}", "Left"),
    ],
    "sharegpt": [record("wgByO4Y_0", None, 'Wie heißt "rot"?\n', "红色 ist rot.", "Danke", "Gern\u2028geschehen")],
    "mine": [record("7", "mine/7.jpg", "What is this?\n<image>", "A heron.")],
}
"""What the mixture holds, in LLaVA's own form."""
LONG = record("8", "mine/8.jpg", "<image>\na", "b", "c", "d", "e", "f")


def build_small(folder: Path) -> Path:
    """The mixture of `RECORDS` and of a record that its recipe drops."""
    raw = folder / "raw"
    raw.mkdir()
    for name, records in RECORDS.items():
        (raw / f"{name}.json").write_text(json.dumps([*records, LONG] if name == "mine" else records))
    (folder / "small.yaml").write_text(RECIPE)
    plan = make_plan(str(folder / "small.yaml"), Options(raw, folder / "mixture"))
    build(plan, jobs=1, overwrite=False, listener=SilentWatcher())
    return folder / "mixture"


def change_manifest(mixture: Path, change: Callable[[Manifest], None]) -> None:
    """Write the manifest anew after a change."""
    manifest = load_manifest(mixture)
    change(manifest)
    write_manifest(mixture, manifest)


def change_rows(mixture: Path, name: str, change: Callable[[list[dict[str, Any]]], Any], *, hashes: str) -> None:
    """Write a source's rows anew after a change; `hashes` says which hashes of the manifest follow: files or all."""
    manifest = load_manifest(mixture)
    shard = next(entry for entry in manifest.sources if entry.name == name).shards[0]
    rows = [row for batch in read_shard(mixture / shard.path) for row in to_dicts(batch)]
    change(rows)
    batch = from_dicts(rows)
    pq.write_table(pa.Table.from_batches([batch]), mixture / shard.path)
    shard.sha256 = sha256_of(mixture / shard.path)
    if hashes == "all":
        row_hash = RowHash()
        row_hash.update(batch)
        shard.row_hash = row_hash.hexdigest()
        parts = [(entry.name, part.row_hash) for entry in manifest.sources for part in entry.shards]
        listed = "".join(f"{source} {part}\n" for source, part in parts)
        manifest.row_hash = hashlib.sha256(listed.encode()).hexdigest()
    write_manifest(mixture, msgspec.structs.replace(manifest))


def look(target: Path, *, sources: tuple[str, ...] = (), sample: int = 0, tokenizer: str | None = None) -> Inspection:
    """What an inspection finds."""
    return inspect(Mixture.open(target), sources=sources, sample=sample, tokenizer=tokenizer)


def run(*arguments: str | Path) -> Result:
    """What `mix` says to these arguments."""
    return CliRunner().invoke(mix, [str(argument) for argument in arguments])


def written(folder: Path, records: Any) -> Path:
    """A file in LLaVA's own form; text is written as it is."""
    path = folder / "llava.json"
    path.write_text(records if isinstance(records, str) else json.dumps(records))
    return path
