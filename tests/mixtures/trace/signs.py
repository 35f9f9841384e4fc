"""A mixture of one caption, the raw files it is made of, and ways to trace records."""

from pathlib import Path
from typing import Any

from mix665k.mixtures.storage.parquet import read_shard
from mix665k.mixtures.trace.lineage import TracedRecord, trace

FILES: dict[str, dict[str, list[Any]]] = {
    "captions": {"data": [{"image_id": "a1", "caption_id": 7, "caption_str": "a red sign", "set_name": "train"}]},
    "ocr": {"data": [{"image_id": "a1", "ocr_tokens": ["STOP"], "ocr_info": []}]},
}
RECIPE = """
name: signs
seed: 1
sources:
  - source: textcaps
    name: signs
    files: {captions: captions.json, ocr: ocr.json}
    steps: [add_prompt: {text: Look.}]
"""
"""Makes one record of them."""


def look(mixture: Path, identifier: str, raw: Path | None = None) -> TracedRecord:
    return trace(mixture, identifier, raw, advance=lambda share: None)


def first_id(mixture: Path, source: str) -> str:
    [path] = (mixture / "data").glob(f"{source}-*.parquet")
    return str(next(read_shard(path)).column("id")[0])
