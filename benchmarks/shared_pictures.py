"""Small mixtures of made-up records whose pictures are shared as those of the mixture of full size.

Trees are drawn from `benchmarks.batching`: a picture and the sources of its records. Each record is then one
of that source out of a built mixture. The sample has the shares of sources and of records a picture of the whole.
"""

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.batching import IMAGE_SOURCES, NUM_SHAREGPT, made_up_mixture
from benchmarks.build import MIX
from mix665k.trainer.data.mixture import Mixture, Row

NAMES = ("llava_instruct", "vqav2", "gqa", "okvqa", "ocrvqa", "aokvqa", "textcaps", "refcoco", "vg", "sharegpt")
"""Of the sources, in the order of `IMAGE_SOURCES`; the last has no pictures."""
_RECIPE = {
    "name": "shared-pictures",
    "description": "Made-up records that share pictures as the mixture's do.",
    "seed": 0,
    "sources": [{"source": "llava_json", "name": "made_up", "files": {"records": "records.json"}}],
}


def write_shared(built: Path, out: Path, *, pictures: int, tokenizer: str) -> None:
    """Build `out` from records of the mixture `built`, which has all sources."""
    raw = out.with_name(f"{out.name}-raw")
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "records.json").write_text(json.dumps(_draw(Mixture(built), pictures)), encoding="utf-8")
    recipe = raw / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(_RECIPE), encoding="utf-8")
    build = [MIX, "build", str(recipe), "--raw", str(raw), "--out", str(out), "--tokenizer", tokenizer]
    subprocess.run(build, check=True)


def _draw(built: Mixture, pictures: int) -> list[dict[str, Any]]:
    """The records of so many drawn pictures, and as many without one as belong to them, in LLaVA's form."""
    examples, sources = made_up_mixture()
    assert examples.trees is not None, "no trees"
    with_image = np.flatnonzero(examples.has_image)
    draw = np.random.default_rng(0)
    drawn = draw.choice(np.unique(examples.trees[with_image]), pictures, replace=False)
    chosen = with_image[np.isin(examples.trees[with_image], drawn)]
    num_text = round(len(chosen) * NUM_SHAREGPT / sum(source.num for source in IMAGE_SOURCES))
    rows = {name: itertools.cycle([row for row in built.rows(0, len(built)) if row.source == name]) for name in NAMES}
    shown = [
        (NAMES[source], f"{tree}.jpg") for source, tree in zip(sources[chosen], examples.trees[chosen], strict=True)
    ]
    pairs = [*shown, *[(NAMES[-1], None)] * num_text]
    return [_record(k, next(rows[name]), image) for k, (name, image) in enumerate(pairs)]


def _record(number: int, row: Row, image: str | None) -> dict[str, Any]:
    turns = [
        {"from": who, "value": text} for pair in row.pairs for who, text in zip(("human", "gpt"), pair, strict=True)
    ]
    return {"id": f"{number}"} | ({"image": image} if image else {}) | {"conversations": turns}
