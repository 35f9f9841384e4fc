"""A raw record of each source and what it becomes, made by building the tests' made-up fixtures."""

import json
import pickle
import re
import tempfile
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

import mix665k.builders  # noqa: F401, registers the sources
from docs.generator.recordings import execute
from mix665k.builders.registry import SOURCES, RawFile
from mix665k.mixtures.storage.recipes import FOLDER
from mix665k.schemas.recipe import Block

PAGES = Path(__file__).parent.parent / "sources"
FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures" / "raw"


class RawRecords(NamedTuple):
    """The records of one raw file that an example shows, by id, or in order where the form has none."""

    file: RawFile
    records: Any


class Example(NamedTuple):
    """Raw records of a source and the rows of the mixture that they become."""

    raw: list[RawRecords]
    rows: list[dict[str, Any]]


@cache
def examples() -> dict[str, Example]:
    """An example of every source, all built at once.

    A source's page says which records of its raw files to take, `<!-- source_example: gqa {questions: [7, 9]} -->`:
    ids, or positions where the form has no id. A page that says nothing takes all.
    """
    raw = {name: _raw_records(name) for name in SOURCES}
    blocks = [_block(name, records) for name, records in raw.items()]
    with tempfile.TemporaryDirectory() as folder:
        rows = _build(blocks, [one for records in raw.values() for one in records], Path(folder))
    return {name: Example(raw[name], rows[name]) for name in SOURCES}


def _raw_records(name: str) -> list[RawRecords]:
    page = PAGES / f"{name}.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    asked = re.search(rf"^<!-- source_example: {name} (.+) -->$", text, re.MULTILINE)
    chosen = yaml.safe_load(asked[1]) if asked else {}
    files = [file for file in SOURCES[name].about.files if not chosen or file.role in chosen]
    return [RawRecords(file, _chosen(file, chosen.get(file.role))) for file in files]


def _chosen(file: RawFile, ids: Collection[str | int] | None) -> Any:
    """The records of a fixture with these ids, or all."""
    path = FIXTURES / file.path
    if file.at == "pickle":
        records: Any = pickle.loads(path.read_bytes(), encoding="latin1")
    elif file.at == "lines":
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        records = json.loads(path.read_bytes())
    if file.at == "{}":
        return {key: record for key, record in records.items() if ids is None or key in ids}
    records = records if isinstance(records, list) else records[file.at]
    return [record for i, record in enumerate(records) if ids is None or (record[file.id] if file.id else i) in ids]


def _block(name: str, raw: Sequence[RawRecords]) -> Block:
    """A source as a shipped recipe has it, or bare, over the raw files of its example."""
    block = Block(name)
    for path in sorted(FOLDER.glob("llava-v1.5-*.yaml")):
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in [] if "extends" in recipe else recipe["sources"]:
            if entry["source"] == name:
                block = msgspec.convert(entry, Block)
    return msgspec.structs.replace(block, files={one.file.role: one.file.path for one in raw}, expect=None)


def _build(blocks: Sequence[Block], raw: Sequence[RawRecords], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows by source of a mixture of these raw records."""
    from mix665k.mixtures.storage.parquet import read_shard, to_dicts
    from mix665k.schemas.manifest import load_manifest

    for path in {one.file.path for one in raw}:
        _write(folder / "raw" / path, [one for one in raw if one.file.path == path])
    recipe = {"name": "example", "seed": 665, "tokenizer": "tiny", "sources": msgspec.to_builtins(blocks)}
    (folder / "example.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    execute("mix build example.yaml --raw raw --out mixture --limit 1000", folder)  # draws ask for more than is there
    return {
        entry.name: [
            row
            for shard in entry.shards
            for rows in read_shard(folder / "mixture" / shard.path)
            for row in to_dicts(rows)
        ]
        for entry in load_manifest(folder / "mixture").sources
    }


def _write(path: Path, parts: Sequence[RawRecords]) -> None:
    """A raw file of these records; a file that several roles read holds the fields of all."""
    first = parts[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    if first.file.at == "pickle":
        path.write_bytes(pickle.dumps(first.records, protocol=2))
        return
    if first.file.at == "lines":
        path.write_text("".join(f"{json.dumps(record)}\n" for record in first.records), encoding="utf-8")
        return
    content = first.records if first.file.at in ("[]", "{}") else {one.file.at: one.records for one in parts}
    path.write_text(json.dumps(content), encoding="utf-8")
