"""Made-up raw files of each source through the 665K recipe's steps, against what review has accepted.

`UPDATE_GOLDEN=gqa pytest tests/builders/sources/test_golden_sources.py` writes the golden file of gqa and no other;
several names are joined by commas. Read the difference.
"""

import json
import os

import msgspec
import pytest
import yaml

from mix665k.builders.registry import SOURCES
from mix665k.schemas.recipe import Block
from tests.builders.building import FIXTURES, GOLDEN, ROOT, Result, row, run_block

RECIPES = ROOT / "mixtures" / "recipes"


def _block(source: str) -> Block:
    """The source as a shipped recipe has it, or bare."""
    for name in ("llava-v1.5-mix665k", "llava-v1.5-pretrain558k"):
        path = RECIPES / f"{name}.yaml"
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
            if entry["source"] == source:
                return msgspec.convert(entry, Block)
    return Block(source)


def _lines(result: Result) -> str:
    """One line a record, and one a step of the funnel."""
    steps = [{"funnel": msgspec.to_builtins(step)} for step in result.funnel]
    rows = [*map(row, result.conversations), *steps]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in rows)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_fixtures_give_the_golden_records(source: str) -> None:
    golden = GOLDEN / f"{source}.jsonl"
    built = _lines(run_block(_block(source), raw=FIXTURES))

    if source in os.environ.get("UPDATE_GOLDEN", "").split(","):
        golden.write_text(built, encoding="utf-8")

    assert built == golden.read_text(encoding="utf-8")


def test_every_golden_file_is_of_a_source() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.jsonl")) == sorted(SOURCES)
