"""Recipes, the files that people write by hand: mutated, or hostile on purpose, and planned."""

import json
from functools import cache
from pathlib import Path
from random import Random

import yaml

from tests.builders.building import FIXTURES, ROOT
from tests.campaign.case import Case, Kind
from tests.campaign.commands import said
from tests.campaign.damage import mutate_bytes
from tests.campaign.structure import change_json

_ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
_HEAD = "name: r\nseed: 1\ntokenizer: tiny\n"
HOSTILE = (
    f"{_HEAD}sources: [{{source: vqav2}}]\ndescription: 2023-02-30\n",
    f"{_HEAD}sources: [{{source: vqav2}}]\ndescription: 99:99:99\n",
    f"{_HEAD}sources:\n  - source: vqav2\n    steps: &a [{{sample: {{fraction: 0.5, surviving: *a}}}}]\n",
    f"{_ALIASES}{_HEAD}sources: [{{source: vg, params: {{max_regions: *i}}}}]\n",
    f"{_HEAD}sources: *nothing\n",
    f"{_HEAD}sources: [{{source: vqav2, files: {{questions: ../../etc/passwd, annotations: /dev/zero}}}}]\n",
    f"{_HEAD}sources: [{{source: vqav2, steps: [drop_by_pattern: {{pattern: 'a{{99999999999}}'}}]}}]\n",
    f"{_HEAD}sources: [{{source: vqav2, steps: [drop_by_pattern: {{pattern: '{'(' * 5000}'}}]}}]\n",
    f"{_HEAD}sources: [{{source: llava_json, steps: [truncate: {{max_tokens: {'9' * 5000}}}]}}]\n",
    f"{_HEAD}sources: [!!python/object/apply:os.system ['touch code-ran']]\n",
    "name: r\ntokenizer: ~nobody-of-this-name/tok\nsources: [{source: sharegpt, steps: [truncate: {max_tokens: 9}]}]\n",
    "[" * 5_000,
    "? {a: b}\n: c\n",
    "a: 1\na: 2\n",
    "--- 1\n--- 2\n",
    "\t- x\n",
    "<<: 1\n",
    "%YAML 9.9\n---\nname: r\n",
)


@cache
def _tiny() -> bytes:
    return (ROOT / "mixtures" / "recipes" / "tiny.yaml").read_bytes()


def make(number: int, seed: int, folder: Path) -> Case:
    """A recipe file, and `mix build --dry-run` of it."""
    rng = Random(f"recipes/{seed}/{number}")
    if number % 10 == 0:
        at = number // 10 % len(HOSTILE)
        group, what, content = "hostile", f"number {at}", HOSTILE[at].encode()
    elif number % 10 < 6:
        mutation = change_json(rng, json.dumps(yaml.safe_load(_tiny())).encode())
        group, what, content = "structure", mutation.what, mutation.content
    else:
        mutation = mutate_bytes(rng, _tiny())
        group, what, content = "bytes", mutation.what, mutation.content
    path = folder / "recipe.yaml"
    path.write_bytes(content)
    command = ("build", path, "--raw", FIXTURES, "--out", folder / "out", "--dry-run")
    return Case(group, what, lambda: said(*command).verdict(names=["recipe", "tokenizer"]))


KIND = Kind(
    name="recipes",
    about="recipes with other values, keys, bytes and encodings, alias bombs, objects of Python, vast patterns, deep "
    "nesting, planned by `mix build --dry-run`",
    cases=3_000,
    make=make,
)
